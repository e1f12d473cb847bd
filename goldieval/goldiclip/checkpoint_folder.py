"""Checkpoint folders: weights of student and teacher, training state and manifest, written as a whole."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from goldieval.core.errors import GoldievalError, first_line
from goldieval.core.files import flush, flush_folders, set_default_permissions
from goldieval.core.out_of_memory import is_out_of_memory
from goldieval.core.temporary import SUFFIX, temporary_folder
from goldieval.goldiclip.checkpoint import CheckpointInfo, save_weights
from goldieval.goldiclip.manifest import check_file, write_manifest
from goldieval.goldiclip.model import GoldiClip
from goldieval.models.safe_load import only_tensors


class DamagedCheckpointError(GoldievalError):
    """A checkpoint cannot be read, or is not what was written."""


def save_folder(
    folder: Path, model: GoldiClip, teacher: GoldiClip, info: CheckpointInfo, state: dict[str, Any]
) -> None:
    """Write ``model.safetensors``, ``teacher.safetensors``, ``state.pt`` and their manifest as one folder, or nothing.

    Args:
        folder: Where to write; a checkpoint that is there is replaced.
        model: The student's model.
        teacher: The teacher.
        info: What the checkpoint says of itself.
        state: The rest of the training state, see ``TrainingState``.

    Raises:
        GoldievalError: The disk is full, or nothing could be written for another reason.
    """
    try:
        _write_folder(folder, model, teacher, info, state)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors wrap what the system says
        raise GoldievalError(
            f"cannot write checkpoint {folder}: {first_line(error)}. Is the disk full? "
            "Older checkpoints are whole: free some space and go on with --resume."
        ) from error


def _write_folder(
    folder: Path, model: GoldiClip, teacher: GoldiClip, info: CheckpointInfo, state: dict[str, Any]
) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(folder.parent, folder.name) as temporary:
        save_weights(model, info, temporary / "model.safetensors")
        save_weights(teacher, info, temporary / "teacher.safetensors")
        torch.save(state, temporary / "state.pt")
        flush(temporary / "state.pt")
        write_manifest(temporary)
        set_default_permissions(temporary)
        remove_whole(folder)
        temporary.rename(folder)
    flush_folders([folder.parent])


def remove_whole(folder: Path) -> None:
    """Remove a checkpoint; it is renamed first, so that a kill leaves no incomplete checkpoint under its name."""
    if folder.exists():
        aside = folder.with_name(f".{folder.name}.old{SUFFIX}")
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


def load_state(folder: Path) -> dict[str, Any]:
    """Read the training state of a checkpoint folder; tensors and plain values only.

    Raises:
        GoldievalError: The state is missing, truncated, or has code in it.
    """
    file = folder / "state.pt"
    try:
        with only_tensors(file, f"Remove {folder} to go on from the checkpoint before it, or name another --out."):
            state: object = torch.load(file, map_location="cpu", weights_only=True)
    except GoldievalError as error:
        raise GoldievalError(f"cannot resume: {error}") from error
    except Exception as error:  # torch wraps what can go wrong in many types
        if is_out_of_memory(error):
            raise
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}, {first_line(error)}"
        raise GoldievalError(f"{file} cannot be read ({reason}): it is damaged.") from error
    if not isinstance(state, dict):
        raise GoldievalError(f"{file} was not written by goldieval train.")
    check_file(file)
    return state


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints in a run's folder that a run can continue from, oldest first."""
    found = [(step_of(path.parent), path.parent) for path in folder.glob("*/state.pt")]
    return [path for _, path in sorted((step, path) for step, path in found if step is not None)]


def step_of(checkpoint: Path) -> int | None:
    """Return the step in a checkpoint's name, or None for any other name."""
    name = re.fullmatch("step-([0-9]{6,})", checkpoint.name)
    return int(name[1]) if name else None


def latest(folder: Path, until: int | None = None) -> Path | None:
    """Return the newest whole checkpoint in a run's folder, or the newest up to step ``until``."""
    found = [path for path in checkpoints(folder) if until is None or (step_of(path) or 0) <= until]
    return found[-1] if found else None
