"""CLIP's own state-dict layout, shared by FLAIR, COSMOS, SuperCLIP and DreamLIP, with sizes derived from the tensors.

The number of heads cannot be derived. It is taken from a config, else it is width / 64, as in CLIP.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldieval.core.declared_sizes import check_context
from goldieval.core.errors import GoldievalError
from goldieval.models.adapter import LoadOptions, Model
from model_adapters.fill import fill
from model_adapters.open_clip import seeded
from model_adapters.open_clip_adapter import adapter_of
from model_adapters.open_clip_files import CONSTANTS
from model_adapters.tensors import TensorFile
from model_adapters.unwrap import find_model, without

if TYPE_CHECKING:
    import torch

FIRST = "visual.conv1.weight"
HEAD_WIDTH = 64
CLIP_VOCABULARY = 49408
State = dict[str, "torch.Tensor"]


def only_model(stored: TensorFile, part: str = "", drop: tuple[str, ...] = ()) -> tuple[State, list[str]]:
    """Return one model's state dict in float32, and notes on how the file was read.

    Args:
        stored: The file.
        part: A part of the prefix, if the file contains several models.
        drop: Prefixes of tensors that are used only in training.

    Raises:
        GoldievalError: There is no such model, or there are several and none is named.
    """
    found = without(find_model(stored, [{FIRST: FIRST}], part), CONSTANTS)
    if not found.state:
        raise GoldievalError(f"{stored.file} holds no image tower (no tensor {FIRST}).")
    state = found.state | {name: part for name, part in found.extra.items() if not name.startswith(drop)}
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()
    }, found.notes


def clip_of(state: State, stored: TensorFile) -> Any:
    """Build open_clip's CLIP with the sizes of a state dict and load it; no tensor may be missing or left over.

    Raises:
        GoldievalError: Tensors are missing, unexpected, or of inconsistent sizes.
    """
    import open_clip

    try:
        sizes = sizes_of(state, stored.config, stored.file)
    except (KeyError, ValueError) as error:
        raise GoldievalError(f"{stored.file} is not in CLIP's layout: missing or invalid {error}.") from error
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


def adapter(module: Any, kind: Any, spec: str, family: str, options: LoadOptions, notes: list[str]) -> Model:
    """Wrap a loaded model with CLIP's transform and tokenizer.

    Args:
        module: The model.
        kind: Class of the adapter, or None.
        spec: The spec that loaded it.
        family: Name of the model family.
        options: How it was loaded.
        notes: Notes on how the file was read.
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
        checkpoint="; ".join(notes),
    )


class IdsOnly:
    """Placeholder for the tokenizer of an unknown vocabulary; such a model accepts only token ids."""

    def __init__(self, vocabulary: int, context_length: int) -> None:
        self.vocabulary, self.context_length = vocabulary, context_length

    def probe(self) -> torch.Tensor:
        """Return token ids that identify the placeholder in ``describe``."""
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
    """Return the number of heads of a tower: from a config in any of the usual forms, else by CLIP's rule.

    Raises:
        GoldievalError: CLIP's rule does not apply, or the number does not divide the width.
    """
    tower = config.get(f"{side}_cfg", {})
    by_width = width // tower["head_width"] if "head_width" in tower else None
    declared = config.get(f"{side}_heads") or tower.get("heads") or by_width or config.get("heads")
    heads = int(declared or width // HEAD_WIDTH)
    if not heads or width % heads or not (declared or width % HEAD_WIDTH == 0):
        raise GoldievalError(
            f"{file}: a {side} tower of width {width} cannot have {declared or f'width / {HEAD_WIDTH}'} heads. "
            f'Put a config.json beside it with {{"vision_heads": …, "text_heads": …}}.'
        )
    return heads


def _quick(config: dict[str, Any]) -> bool:
    """Return whether a config specifies QuickGELU; released FLAIR, COSMOS and SuperCLIP weights use plain GELU."""
    return bool(config.get("quick_gelu")) or "quick" in str(config.get("activation", ""))
