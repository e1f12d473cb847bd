"""Checkpoints in open_clip's layouts, read into a module that is rebuilt if a file has other sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError, first_line
from goldieval.models.safe_load import check_is_weights
from model_adapters.fill import check_finite
from model_adapters.open_clip_sizes import Sizes, hint, sizes_of
from model_adapters.take import Source, take
from model_adapters.tensors import TensorFile, read
from model_adapters.unwrap import find_model, without

# Tensors of other versions of CLIP's code: sizes, masks and indices that a module creates itself.
CONSTANTS = ("attn_mask", "position_ids", "input_resolution", "context_length", "vocab_size", "n_averaged")
ARRAYS = (".npz", ".npy")  # of SigLIP, read by open_clip's own converter
MOBILE = "image_encoder.model.patch_emb"


@dataclass(frozen=True)
class Built:
    """A module as its config or its file says.

    Attributes:
        module: The module.
        sizes: Differences from the config.
        notes: Notes on how its file was read.
    """

    module: Any
    sizes: Sizes = field(default_factory=Sizes)
    notes: list[str] = field(default_factory=list)


def with_weights(
    module: Any, build: Callable[[Sizes], Any], file: Path, architecture: str, drop: Sequence[str] = ()
) -> Built:
    """Load a training checkpoint or a state dict into a module, which is rebuilt if the file has other sizes.

    Args:
        module: The module.
        build: Builds a module of the architecture in other sizes.
        file: The checkpoint.
        architecture: Name of the architecture.
        drop: Beginnings of the names of tensors that are left out.

    Raises:
        GoldievalError: The file does not exist, is not a checkpoint, contains code or objects, or does not fit.
    """
    if file.suffix in ARRAYS:
        _big_vision(module, file, architecture)
        return Built(module)
    stored = read(file)
    found = without(find_model(_converted(module, stored), layouts_of(module)), CONSTANTS)
    sizes = sizes_of(found.state, module, stored.file)
    size_notes = sizes.notes(module)
    if sizes != Sizes():
        module = build(sizes)
    source = Source(stored.file, found, drop)
    taken = take(
        module, found.state | found.extra, source, architecture, hint(found.state, stored.tensors, architecture)
    )
    return Built(module, sizes, [taken, *size_notes])


def layouts_of(module: Any) -> list[dict[str, str]]:
    """Return the mappings from names in a file to a module's names; open_clip's two layouts differ by ``text.``."""
    names = list(module.state_dict())
    if hasattr(module, "text"):
        return [{name: name for name in names}, {name.removeprefix("text."): name for name in names}]
    image = ("visual.", "logit_")
    return [
        {name: name for name in names},
        {name if name.startswith(image) else f"text.{name}": name for name in names},
    ]


def _converted(module: Any, stored: TensorFile) -> TensorFile:
    """Rename Apple's MobileCLIP tensors as in open_clip; other files are returned unchanged."""
    from open_clip.convert import convert_state_dict

    prefix = next((name.partition(MOBILE)[0] for name in stored.tensors if MOBILE in name), None)
    if prefix is None:
        return stored
    own = {name.removeprefix(prefix): part for name, part in stored.tensors.items() if name.startswith(prefix)}
    return replace(stored, tensors=convert_state_dict(module, own))


def _big_vision(module: Any, file: Path, architecture: str) -> None:
    """Load SigLIP's NumPy arrays with open_clip's converter; NumPy refuses pickles in them.

    Raises:
        GoldievalError: The file does not exist, is damaged, or differs from the architecture in size.
    """
    import numpy as np
    from open_clip.factory import load_checkpoint

    check_is_weights(file)
    try:
        with np.load(file) as arrays:
            rows = arrays["params/img/pos_embedding"].shape[1] if "params/img/pos_embedding" in arrays else None
        own = getattr(getattr(module.visual, "trunk", None), "pos_embed", None)
        if rows is not None and own is not None and rows != own.shape[1]:
            raise GoldievalError(f"{file} has {rows:,} image positions, {architecture} has {own.shape[1]:,}.")
        load_checkpoint(module, str(file), strict=True, weights_only=True)
    except GoldievalError:
        raise
    except Exception as error:  # from NumPy, and from open_clip if an array is missing
        raise GoldievalError(
            f"{file} is not a readable checkpoint: {type(error).__name__}: {first_line(error)}"
        ) from error
    check_finite(module.state_dict(), file)
