"""Sizes of a model in CLIP's layout, derived from its tensors.

The number of heads cannot be derived. It is taken from a config, else it is width / 64, as in CLIP.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldieval.core.declared_sizes import check_context
from goldieval.core.errors import GoldievalError

if TYPE_CHECKING:
    import torch

HEAD_WIDTH = 64
State = dict[str, "torch.Tensor"]


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
