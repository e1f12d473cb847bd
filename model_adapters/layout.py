"""CLIP's own state-dict layout, which FLAIR, COSMOS, SuperCLIP and DreamLIP share: sizes read off the tensors.

The number of heads is in no tensor. It is what a config says, else width / 64, CLIP's rule.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldieval.core.declared_sizes import check_context
from goldieval.core.errors import GoldievalError
from goldieval.models.adapter import LoadOptions, Model
from model_adapters.fill import fill
from model_adapters.open_clip import CONSTANTS, adapter_of, seeded
from model_adapters.tensors import TensorFile
from model_adapters.unwrap import find_model, without

if TYPE_CHECKING:
    import torch

FIRST = "visual.conv1.weight"
HEAD_WIDTH = 64
CLIP_VOCABULARY = 49408
State = dict[str, "torch.Tensor"]


def only_model(stored: TensorFile, part: str = "", drop: tuple[str, ...] = ()) -> tuple[State, list[str]]:
    """Return one model's state dict in float32, and what a reader must know of how the file was read.

    Args:
        part: a word in the prefix, where the file holds several models.   drop: beginnings of names of the training.

    Raises:
        GoldievalError: there is no such model in it, or several and none is named.
    """
    found = without(find_model(stored, [{FIRST: FIRST}], part), CONSTANTS)
    if not found.state:
        raise GoldievalError(f"{stored.file} holds no image tower (no tensor {FIRST}).")
    state = found.state | {name: part for name, part in found.extra.items() if not name.startswith(drop)}
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()
    }, found.said


def clip_of(state: State, stored: TensorFile) -> Any:
    """Build open_clip's CLIP in the size of a state dict and fill it; nothing may be missing or left over.

    Raises:
        GoldievalError: tensors that are missing, more, or of sizes that do not go together.
    """
    import open_clip

    try:
        sizes = sizes_of(state, stored.config, stored.file)
    except (KeyError, ValueError) as error:
        raise GoldievalError(f"{stored.file} is not of CLIP's layout: it lacks or has a strange {error}.") from error
    with seeded(0):
        module = open_clip.CLIP(**sizes)
    fill(module, state, [], stored.file, "the sizes of its first layers")
    return module


def sizes_of(state: State, config: dict[str, Any], file: Path) -> dict[str, Any]:
    """Return the arguments of open_clip's CLIP."""
    width, _, patch, _ = state["visual.conv1.weight"].shape
    context, text_width = state["positional_embedding"].shape
    check_context(context, file)
    side = math.isqrt(len(state["visual.positional_embedding"]) - 1)
    heads = {side: _heads(side, own, config, file) for side, own in (("vision", width), ("text", text_width))}
    return {
        "embed_dim": state["visual.proj"].shape[1],
        "quick_gelu": _quick(config),
        "init_logit_bias": 0.0 if "logit_bias" in state else None,
        "vision_cfg": {
            "image_size": side * patch,
            "patch_size": patch,
            "width": width,
            "layers": _layers(state, "visual.transformer."),
            "head_width": width // heads["vision"],
            "mlp_ratio": _ratio(state, "visual.transformer."),
        },
        "text_cfg": {
            "context_length": context,
            "vocab_size": len(state["token_embedding.weight"]),
            "width": text_width,
            "heads": heads["text"],
            "layers": _layers(state, "transformer."),
            "mlp_ratio": _ratio(state, "transformer."),
        },
    }


def adapter(module: Any, kind: Any, spec: str, family: str, options: LoadOptions, said: list[str]) -> Model:
    """Wrap a filled model with CLIP's transform and tokenizer; ``kind`` is the adapter's class or None.

    Args:
        said: what a reader must know of how the file was read.
    """
    from open_clip.transform import PreprocessCfg, image_transform_v2

    return adapter_of(
        module.to(options.device).eval(),
        image_transform_v2(PreprocessCfg(size=module.visual.image_size[0]), is_train=False),
        _tokenizer(module.vocab_size, module.context_length),
        kind=kind,
        spec=spec,
        family=family,
        precision=options.precision,
        checkpoint="; ".join(said),
    )


class IdsOnly:
    """Stands where a tokenizer would: this vocabulary is none that we know, so that the model takes token ids alone."""

    def __init__(self, vocabulary: int, context_length: int) -> None:
        self.vocabulary, self.context_length = vocabulary, context_length

    def probe(self) -> torch.Tensor:
        """Return token ids by which an adapter can be described."""
        import torch

        return torch.zeros(1, self.context_length, dtype=torch.long)

    def __call__(self, texts: list[str]) -> torch.Tensor:
        raise GoldievalError(
            f"this checkpoint has {self.vocabulary:,} tokens, not CLIP's {CLIP_VOCABULARY:,}: no tokenizer is known "
            "for it. Give token ids to encode_text."
        )


def _tokenizer(vocabulary: int, context_length: int) -> Any:
    import open_clip

    known = vocabulary == CLIP_VOCABULARY
    return open_clip.SimpleTokenizer(context_length=context_length) if known else IdsOnly(vocabulary, context_length)


def _layers(state: State, tower: str) -> int:
    start = f"{tower}resblocks."
    return len({name.removeprefix(start).split(".")[0] for name in state if name.startswith(start)})


def _ratio(state: State, tower: str) -> float:
    rows, columns = state[f"{tower}resblocks.0.mlp.c_fc.weight"].shape
    return rows / columns


def _heads(side: str, width: int, config: dict[str, Any], file: Path) -> int:
    """Return the heads of a tower: as a config says in any of the usual ways, else by CLIP's rule.

    Raises:
        GoldievalError: CLIP's rule does not apply, or the number does not divide the width.
    """
    tower = config.get(f"{side}_cfg", {})
    by_width = width // tower["head_width"] if "head_width" in tower else None
    said = config.get(f"{side}_heads") or tower.get("heads") or by_width or config.get("heads")
    heads = int(said or width // HEAD_WIDTH)
    if not heads or width % heads or not (said or width % HEAD_WIDTH == 0):
        raise GoldievalError(
            f"{file}: a {side} tower of width {width} cannot have {said or f'width / {HEAD_WIDTH}'} heads. "
            f'Put a config.json beside it with {{"vision_heads": …, "text_heads": …}}.'
        )
    return heads


def _quick(config: dict[str, Any]) -> bool:
    """Whether a config asks for QuickGELU; released FLAIR, COSMOS and SuperCLIP weights use the plain one."""
    return bool(config.get("quick_gelu")) or "quick" in str(config.get("activation", ""))
