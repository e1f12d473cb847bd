"""Options of a spec for models of transformers: activation, positions, image processor and tokenizer."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from goldieval.core.errors import GoldievalError
from goldieval.models.alterations import Alterations
from goldieval.models.spec_options import TRANSFORM, StandardOptions, canonical, canonical_options
from model_adapters.spec_tokenizer import named_tokenizer, probe_ids

OPTIONS = ("size", "context", "quickgelu", *TRANSFORM, "tokenizer", "drop")
RESAMPLE = {"bilinear": 2, "bicubic": 3}  # numbers of Pillow
QUICK, PLAIN = "quick_gelu", "gelu"


@dataclass(frozen=True)
class Applied:
    """What the options change in a model that is already loaded.

    Attributes:
        alterations: The changes.
        image: Arguments of the processor.
        tower: Arguments of the image tower.
        notes: Notes for plan and record.
    """

    alterations: Alterations
    image: Mapping[str, Any] = field(default_factory=dict)
    tower: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def activate(config: Any, quick: bool | None) -> bool:
    """Set the activation of both towers in a config; return whether anything changed.

    Raises:
        GoldievalError: The config has no activation.
    """
    if quick is None:
        return False
    parts: list[Any] = [getattr(config, name, None) for name in ("text_config", "vision_config")]
    towers = [part for part in parts if hasattr(part, "hidden_act")]
    if not towers:
        raise GoldievalError("quickgelu: the activation of this model is fixed.")
    others = [tower for tower in towers if (tower.hidden_act == QUICK) != quick]
    for tower in others:
        tower.hidden_act = QUICK if quick else PLAIN
    return bool(others)


def apply(module: Any, processor: Any, options: StandardOptions) -> Applied:
    """Change positions and tokenizer of a loaded model, and return the arguments of its processor and towers.

    Raises:
        GoldievalError: The model or its processor does not allow an option.
    """
    from goldieval.models.torch_adapter import module_fingerprint

    image, changes = _image_settings(processor.image_processor, options)
    tower = _tower_settings(module, options) if any(name.startswith("size=") for name in changes) else {}
    tokens = _set_tokenizer(module, processor, options) if options.tokenizer else ()
    base, context = "", _other_context(module, processor, options)
    if context:
        base = module_fingerprint(module)
        _set_context(module, processor, int(context))
    alterations = Alterations(
        options=canonical_options(options),
        inputs=(*changes, *tokens),
        text=(canonical("context", context),) if context else (),
        base=base,
        loaded=module_fingerprint(module) if context else "",
    )
    notes = (*changes, *alterations.text, *(part.partition("=")[0] + " as in the spec" for part in tokens))
    return Applied(alterations, image, tower, notes)


def _image_settings(processor: Any, options: StandardOptions) -> tuple[dict[str, Any], list[str]]:
    """Return arguments of an image processor, and the options that differ from its own settings."""
    settings: dict[str, Any] = {}
    changes: list[str] = []
    for name, key, value in (
        ("mean", "image_mean", options.mean),
        ("std", "image_std", options.std),
        ("interpolation", "resample", RESAMPLE.get(options.interpolation or "")),
    ):
        own = getattr(processor, key, None)
        if value is not None and value != (tuple(own) if isinstance(own, list | tuple) else own):
            settings[key] = list(value) if isinstance(value, tuple) else value
            changes.append(canonical(name, getattr(options, name)))
    if options.size or options.resize:
        sizes, others = _size_settings(processor, options)
        settings |= sizes
        changes = [*others, *changes]
    return settings, changes


def _size_settings(processor: Any, options: StandardOptions) -> tuple[dict[str, Any], list[str]]:
    """Return the arguments for another size or another way to it: crop after the shortest side, or squash."""
    size, crop = getattr(processor, "size", None), getattr(processor, "crop_size", None)
    mode, own = _own_size(size, crop if getattr(processor, "do_center_crop", None) else None)
    if options.resize == "longest" or not mode:
        what = "size" if options.size and options.resize != "longest" else f"resize={options.resize}"
        raise GoldievalError(
            f"{what}: the image processor of this model ({type(processor).__name__}) does not do this."
        )
    wanted, way = options.size or own, options.resize or mode
    changes = [canonical("size", wanted)] if wanted != own else []
    changes += [canonical("resize", way)] if way != mode else []
    if not changes:
        return {}, []
    height, width = wanted
    if way == "squash":
        return {"size": {"height": height, "width": width}, "do_center_crop": False}, changes
    if height != width:
        raise GoldievalError(
            "size: the image processor of this model crops to squares; write resize=squash, or one side."
        )
    edges = {"height": height, "width": width}
    return {"size": {"shortest_edge": height}, "crop_size": edges, "do_center_crop": True}, changes


def _own_size(size: Any, crop: Any) -> tuple[str, tuple[int, int]]:
    """Return the way to size of a processor, and height and width; empty and zeros if it has none."""
    edge = getattr(size, "shortest_edge", None)
    if edge and crop is not None and crop.height:
        return "shortest", (int(crop.height), int(crop.width))
    if getattr(size, "height", None) and crop is None:
        return "squash", (int(size.height), int(size.width))
    return "", (0, 0)


def _tower_settings(module: Any, options: StandardOptions) -> dict[str, Any]:
    """Return the arguments with which the image tower interpolates its positions."""
    if "interpolate_pos_encoding" not in inspect.signature(module.get_image_features).parameters:
        raise GoldievalError("size: the image tower of this model does not interpolate its positions.")
    patch = getattr(getattr(module.config, "vision_config", None), "patch_size", 1)
    if options.size and min(options.size) < patch:
        raise GoldievalError(f"size: an image must have at least the {patch} px of a patch.")
    return {"interpolate_pos_encoding": True}


def _set_tokenizer(module: Any, processor: Any, options: StandardOptions) -> tuple[str, ...]:
    """Replace the tokenizer of a processor; return the option if its ids differ."""
    from model_adapters.huggingface_inputs import TextInputs

    text = getattr(module.config, "text_config", module.config)
    before = TextInputs(module, processor)
    usual, length = probe_ids(before), before.context_length
    named = named_tokenizer(str(options.tokenizer), length, text.vocab_size, {})
    if not hasattr(named, "clean_fn") or not callable(getattr(named, "tokenizer", None)):
        raise GoldievalError(f"tokenizer={options.tokenizer}: name a folder or a tokenizer.json of transformers.")
    processor.tokenizer = named.tokenizer
    processor.tokenizer.model_max_length = length
    ids = probe_ids(TextInputs(module, processor))
    return () if ids == usual else (f"tokenizer={ids}",)


def _other_context(module: Any, processor: Any, options: StandardOptions) -> int | None:
    from model_adapters.huggingface_inputs import TextInputs

    own = TextInputs(module, processor).context_length
    return options.context if options.context not in (None, own) else None


def _set_context(module: Any, processor: Any, tokens: int) -> None:
    """Interpolate the positions of the text tower as open_clip does.

    Raises:
        GoldievalError: The tower has no table of positions like CLIP's and SigLIP's.
    """
    import torch
    import torch.nn.functional as F

    embeddings = getattr(getattr(module, "text_model", None), "embeddings", None)
    table = getattr(embeddings, "position_embedding", None)
    if embeddings is None or not isinstance(table, torch.nn.Embedding) or not hasattr(embeddings, "position_ids"):
        raise GoldievalError("context: the positions of this text tower cannot be interpolated.")
    with torch.no_grad():
        positions = F.interpolate(table.weight.T[None], size=tokens, mode="linear", align_corners=False)[0].T
    set_positions(module, processor, positions)


def set_positions(module: Any, processor: Any, positions: Any) -> None:
    """Replace the positions of a text tower, a table of shape (tokens, width), and with them its context length."""
    import torch

    resized = torch.nn.Embedding(*positions.shape)
    resized.weight = torch.nn.Parameter(positions.contiguous())
    module.text_model.embeddings.position_embedding = resized
    module.text_model.embeddings.position_ids = torch.arange(len(positions))[None]
    getattr(module.config, "text_config", module.config).max_position_embeddings = len(positions)
    processor.tokenizer.model_max_length = len(positions)
