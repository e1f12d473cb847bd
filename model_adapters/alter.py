"""Options of a spec that change an open_clip module: image size, context length, QuickGELU and pooling.

Positions are interpolated by open_clip's own functions, as with its ``--force-image-size``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from goldieval.core.errors import GoldievalError
from goldieval.models.alterations import Alterations
from goldieval.models.spec_options import StandardOptions, canonical
from model_adapters.open_clip_sizes import Sizes, image_size


@dataclass(frozen=True)
class Altered:
    """A module with the options of its spec.

    Attributes:
        module: The module.
        alterations: What changed.
        notes: Notes for plan and record.
    """

    module: Any
    alterations: Alterations
    notes: list[str]


def alter(module: Any, build: Callable[[Sizes], Any], options: StandardOptions) -> Altered:
    """Return a module with other sizes, activation or pooling; the given one if nothing changes.

    Args:
        module: The module with its weights.
        build: Builds a module of the same architecture without weights; None in ``Sizes`` means as in ``module``.
        options: Options of the spec.

    Raises:
        GoldievalError: The architecture does not allow an option.
    """
    from goldieval.models.torch_adapter import module_fingerprint

    wanted = changes(module, options)
    base, before, notes = "", module, _notes(module, wanted)
    if wanted != Sizes():
        base = module_fingerprint(module)
        module = _rebuilt(module, build, wanted)
    image = [canonical("size", wanted.image)] if wanted.image else []
    text = [canonical("context", wanted.context)] if wanted.context else []
    for part, tower in ((image, _image_tower), (text, _text_tower)):
        if _is_quick(tower(module)) != _is_quick(tower(before)):
            part.append(canonical("quickgelu", wanted.quick_gelu))
    if wanted.quick_gelu is not None and not any(part.startswith("quickgelu") for part in (*image, *text)):
        raise GoldievalError("quickgelu: the activation of this architecture is fixed.")
    pooled = _pool(module, options.pooling)
    loaded = module_fingerprint(module) if base else ""
    alterations = Alterations(inputs=tuple(pooled), image=(*image, *pooled), text=tuple(text), base=base, loaded=loaded)
    return Altered(module, alterations, [*notes, *pooled])


def changes(module: Any, options: StandardOptions) -> Sizes:
    """Return those sizes and that activation of the options that differ from a module's.

    Raises:
        GoldievalError: The images would be smaller than a patch, or the architecture has sizes that cannot be changed.
    """
    quick = options.quickgelu if options.quickgelu not in (None, _is_quick([module])) else None
    size = options.size if options.size not in (None, image_size(module)) else None
    own = (None, options.context if reads_any_context(module) else module.context_length)
    context = options.context if options.context not in own else None
    patch = max(getattr(module.visual, "patch_size", (1,)))
    if size and min(size) < patch:
        raise GoldievalError(f"size: an image must have at least the {patch} px of a patch.")
    wanted = Sizes(size, context, quick)
    _check(module, wanted)
    return wanted


def reads_any_context(module: Any) -> bool:
    """Return whether the text tower is one of transformers, which reads texts of any length up to its own."""
    from open_clip.hf_model import HFTextEncoder

    return isinstance(getattr(module, "text", None), HFTextEncoder)


def _notes(module: Any, wanted: Sizes) -> list[str]:
    """Return what the options replace."""
    own = canonical("size", image_size(module)).removeprefix("size=")
    notes = [f"{canonical('size', wanted.image)} instead of {own}"] if wanted.image else []
    notes += [f"context={wanted.context} instead of {module.context_length}"] if wanted.context else []
    return notes + ([canonical("quickgelu", wanted.quick_gelu)] if wanted.quick_gelu is not None else [])


def _check(module: Any, wanted: Sizes) -> None:
    """Raise GoldievalError if the positions of an architecture cannot be interpolated to the sizes."""
    visual = module.visual
    if wanted.image and not hasattr(visual, "grid_size") and not hasattr(visual, "trunk"):
        own = canonical("size", image_size(module))
        raise GoldievalError(f"size: the positions of this image tower cannot be interpolated; it has {own}.")
    if wanted.context and getattr(getattr(module, "text", module), "positional_embedding", None) is None:
        raise GoldievalError(
            f"context: the positions of this text tower cannot be interpolated; it has context={module.context_length}."
        )


def _rebuilt(module: Any, build: Callable[[Sizes], Any], wanted: Sizes) -> Any:
    """Return a module of other sizes with the weights of ``module``; positions are interpolated."""
    from open_clip.model import resize_pos_embed, resize_text_pos_embed

    in_place = hasattr(module.visual, "trunk")  # a tower of timm interpolates its own positions
    new = build(Sizes(None if in_place else wanted.image, wanted.context, wanted.quick_gelu))
    state = dict(module.state_dict())
    resize_pos_embed(state, new)
    resize_text_pos_embed(state, new)
    new.load_state_dict(state)
    if in_place and wanted.image:
        new.visual.set_input_size(wanted.image)
    return new


def _pool(module: Any, pooling: str | None) -> list[str]:
    """Set the pooling of the image tower; return the option if it changes something."""
    from open_clip.transformer import VisionTransformer

    visual = module.visual
    if pooling is None or getattr(visual, "pool_type", "") == pooling:
        return []
    if not isinstance(visual, VisionTransformer) or visual.attn_pool is not None:
        raise GoldievalError("pooling: the pooling of this image tower is fixed by its weights.")
    visual.pool_type = pooling
    return [canonical("pooling", pooling)]


def _image_tower(module: Any) -> list[Any]:
    return [module.visual]


def _text_tower(module: Any) -> list[Any]:
    return [child for name, child in module.named_children() if name != "visual"]


def _is_quick(parts: list[Any]) -> bool:
    from open_clip.transformer import QuickGELU

    return any(isinstance(each, QuickGELU) for part in parts for each in part.modules())
