"""Files with the weights of GoldiCLIP-R: those of its trainer, and those of other trainers with its config."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from goldieval.core.declared_sizes import check_outline
from goldieval.core.errors import GoldievalError
from goldieval.core.reads import note_read
from goldieval.models.safe_load import check_is_weights, is_safetensors
from goldieval.models.spec import split_part
from model_adapters.take import Source, take
from model_adapters.tensors import TensorFile, read
from model_adapters.unwrap import find_model
from model_adapters.weights_files import shards_of, weights_place


def read_goldiclip(place: Path, drop: Sequence[str] = ()) -> tuple[Any, Any, str]:
    """Return the module, its ``CheckpointInfo``, and what was taken from the file.

    Args:
        place: A folder or file of the trainer, or a file of another trainer with ``config`` in it or beside it.
        drop: Beginnings of the names of tensors that are left out.

    Raises:
        GoldievalError: The file is no such checkpoint, or its weights do not fit its config.
    """
    from goldieval.goldiclip.checkpoint import load_weights

    note_read(place)
    file = shards_of(weights_place(Path(split_part(str(place))[0])))[0]
    if not file.is_dir():
        check_is_weights(file)
    if not file.is_dir() and not _is_of_the_trainer(file):
        return _of_another_trainer(read(place), drop)
    if drop:
        raise GoldievalError(f"drop: {place} is of goldieval train and holds nothing that could be left out.")
    module, about = load_weights(place)
    return module, about, f"took {len(module.state_dict()):,} tensors"


def _is_of_the_trainer(file: Path) -> bool:
    """Return whether a file is safetensors with the trainer's metadata; a damaged one is left to its reader."""
    from safetensors import SafetensorError, safe_open

    if not is_safetensors(file):
        return False
    try:
        with safe_open(str(file), framework="pt") as stored:
            return "goldiclip" in (stored.metadata() or {})
    except (SafetensorError, OSError):
        return True


def _of_another_trainer(stored: TensorFile, drop: Sequence[str]) -> tuple[Any, Any, str]:
    import torch
    from pydantic import ValidationError

    from goldieval.goldiclip.checkpoint import TRAINING_ONLY, CheckpointInfo
    from goldieval.goldiclip.config import ModelConfig
    from goldieval.goldiclip.model import GoldiClip

    try:
        config = ModelConfig.model_validate(stored.config) if stored.config else None
    except ValidationError:
        config = None
    if config is None:
        raise GoldievalError(
            f"{stored.file} was not written by goldieval train: it carries no model config. Put one beside it as "
            "config.json."
        )
    with torch.device("meta"):
        size = sum(file.stat().st_size for file in shards_of(stored.file))
        check_outline(GoldiClip(config), size, stored.file)
    module = GoldiClip(config)
    needed = {name: name for name in module.state_dict() if not name.startswith(TRAINING_ONLY)}
    found = find_model(stored, [needed])
    state = found.state | found.extra
    for head in TRAINING_ONLY:
        if hasattr(module, head[:-1]) and not any(name.startswith(head) for name in state):
            delattr(module, head[:-1])  # not left at random
    note = take(module, state, Source(stored.file, found, drop), "the model of its config")
    return module, CheckpointInfo(config), note
