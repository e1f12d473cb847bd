"""Image size and context length of a checkpoint, derived from its position embeddings.

open_clip would silently interpolate them to the sizes in its config, which is another model with other scores.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldieval.core.declared_sizes import CONTEXT, EDGE
from goldieval.core.errors import GoldievalError, listing

if TYPE_CHECKING:
    import torch

STRIDE = 32  # of open_clip's ResNets


@dataclass(frozen=True)
class Sizes:
    """Differences from the config, or None if there are none.

    Attributes:
        image: Side of the square images in pixels, or height and width.
        context: Context length in tokens.
        quick_gelu: Whether the activation is QuickGELU.
    """

    image: int | tuple[int, int] | None = None
    context: int | None = None
    quick_gelu: bool | None = None

    def notes(self, module: Any) -> list[str]:
        """Return a line for plan and record; ``module`` has the sizes of the config."""
        parts = [f"{self.image} px (the config says {image_size(module)[0]})"] if self.image else []
        parts += [f"{self.context} tokens (the config says {module.context_length})"] if self.context else []
        return [f"sizes from the tensors: {' and '.join(parts)}"] if parts else []


@dataclass(frozen=True)
class _Grid:
    """Position embeddings of an image tower.

    Attributes:
        name: Name of the tensor.
        grid: Rows and columns of the grid.
        extra: Number of positions besides the grid.
        patch: Pixels per patch.
    """

    name: str
    grid: tuple[int, int]
    extra: int
    patch: int


def sizes_of(state: Mapping[str, torch.Tensor], module: Any, file: Path) -> Sizes:
    """Compare the position embeddings of a state dict with those of a module that was built from the config.

    Raises:
        GoldievalError: Images are not square, so that their sides cannot be derived, or the sizes are implausible.
    """
    image, context = _image(state, module, file), _context(state, module)
    if image is not None and image > EDGE:
        raise GoldievalError(f"{file}: positions for images of {image:,} px; the maximum is {EDGE:,}.")
    if context is not None and not 1 < context <= CONTEXT:
        raise GoldievalError(f"{file}: positions for texts of {context:,} tokens; 2 to {CONTEXT:,} are allowed.")
    return Sizes(image, context)


def image_size(module: Any) -> tuple[int, int]:
    """Return height and width of the images that a module reads."""
    own = module.visual.image_size
    return (own[0], own[-1]) if isinstance(own, list | tuple) else (own, own)


def _image(state: Mapping[str, torch.Tensor], module: Any, file: Path) -> int | None:
    grid = _grid(module)
    if grid is None or grid.name not in state:
        return None
    rows = math.prod(state[grid.name].shape[:-1])
    if rows == math.prod(grid.grid) + grid.extra:
        return None
    side = math.isqrt(max(rows - grid.extra, 0))
    if side * side != rows - grid.extra or not side or grid.grid[0] != grid.grid[1]:
        raise GoldievalError(
            f"{file}: {grid.name} has {rows:,} positions, {grid.extra} of them besides the grid: this is not a square, "
            "and the sides of other images cannot be derived. Such a model requires its own config."
        )
    return side * grid.patch


def _grid(module: Any) -> _Grid | None:
    visual = module.visual
    if hasattr(visual, "attnpool") and hasattr(visual.attnpool, "positional_embedding"):
        side = math.isqrt(len(visual.attnpool.positional_embedding) - 1)
        return _Grid("visual.attnpool.positional_embedding", (side, side), 1, STRIDE)
    if hasattr(visual, "positional_embedding") and hasattr(visual, "grid_size"):
        extra = len(visual.positional_embedding) - math.prod(visual.grid_size)
        return _Grid("visual.positional_embedding", tuple(visual.grid_size), extra, visual.patch_size[0])
    trunk = getattr(visual, "trunk", None)
    patches: Any = getattr(trunk, "patch_embed", None)
    table: Any = getattr(trunk, "pos_embed", None)
    if table is None or table.ndim != 3 or not hasattr(patches, "grid_size"):
        return None
    extra = table.shape[1] - math.prod(patches.grid_size)
    return _Grid("visual.trunk.pos_embed", tuple(patches.grid_size), extra, patches.patch_size[0])


def _context(state: Mapping[str, torch.Tensor], module: Any) -> int | None:
    for name in ("positional_embedding", "text.positional_embedding"):
        own = getattr(getattr(module, "text", module), "positional_embedding", None)
        if name in state and own is not None and len(state[name]) != len(own):
            return int(module.context_length) + len(state[name]) - len(own)
    return None


def architectures_of(state: Mapping[str, torch.Tensor]) -> list[str]:
    """Return open_clip's plain ViT architectures with the widths, depths, patch size and vocabulary of a file."""
    from open_clip.factory import get_model_config, list_models

    found = _signature(state)
    return [name for name in list_models() if found and _of_config(get_model_config(name)) == found]


def _signature(state: Mapping[str, torch.Tensor]) -> tuple[int, ...]:
    text = "" if "token_embedding.weight" in state else "text."
    try:
        width, _, patch, _ = state["visual.conv1.weight"].shape
        vocabulary, text_width = state[f"{text}token_embedding.weight"].shape
        dim = state["visual.proj"].shape[1]
    except (KeyError, ValueError, IndexError):
        return ()
    layers = [
        len({name.removeprefix(start).split(".")[0] for name in state if name.startswith(start)})
        for start in ("visual.transformer.resblocks.", f"{text}transformer.resblocks.")
    ]
    return (width, patch, layers[0], dim, text_width, layers[1], vocabulary)


def _of_config(config: dict[str, Any]) -> tuple[int, ...]:
    vision, text = config["vision_cfg"], config["text_cfg"]
    if "timm_model_name" in vision or "hf_model_name" in text or not isinstance(vision.get("layers"), int):
        return ()
    return (
        vision.get("width", 768),
        vision.get("patch_size", 16),
        vision["layers"],
        config["embed_dim"],
        text.get("width", 512),
        text.get("layers", 12),
        text.get("vocab_size", 49408),
    )


def hint(state: Mapping[str, torch.Tensor], names: Iterable[str], architecture: str) -> str:
    """Return which other architecture a model fits, or whose names a file has; empty if unknown."""
    if any("vision_model." in name for name in names):
        return " Its names are those of transformers: write huggingface:FOLDER."
    fitting = architectures_of(state)
    return f" Its sizes are those of {listing(fitting, 4)}." if fitting and architecture not in fitting else ""
