"""Checkpoints: weights as safetensors with their own config, training state beside them, both written atomically."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from goldieval.core.declared_sizes import check_outline
from goldieval.core.errors import GoldievalError, first_line, listing
from goldieval.core.files import flush, flush_folders, set_default_permissions
from goldieval.core.reads import note_read
from goldieval.core.temporary import temporary_file
from goldieval.goldiclip.config import ModelConfig
from goldieval.goldiclip.manifest import NAME, check_file
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.recipe_files import recipe_names
from goldieval.tasks.validation import validation_line

HEADS = ("agnostic_head.", "conditioned_head.", "distillation_head.", "token_head.")
TRAINING_ONLY = (*HEADS, "cross_modal.", "grouping.")
MAY_START_AFRESH = ("decoder.", "conditioned_logit_", *TRAINING_ONLY)  # where the checkpoint of a start lacks them


@dataclass(frozen=True)
class CheckpointInfo:
    """What a weights file says of itself; the names are keys in the file.

    Attributes:
        config: Sizes of the model.
        recipe: Name of the recipe.
        images_seen: Images seen, with those of the checkpoint that the run started from.
        unique_images: Number of images of the run's own corpus.
        seed: Seed of the run.
        scoring: Scoring mode by default.
        home: Built-in world that all training data came from, or an empty string.
        notice: Title of the recipe, shown beside scores.
        pools: Whether the text-conditioned pooling was trained; without it only global scoring is possible.
        method: Name of the method in tables.
        trained_on: Names of the corpora in order, with those of the checkpoint that the run started from; empty in
            older files.
    """

    config: ModelConfig
    recipe: str = ""
    images_seen: int = 0
    unique_images: int = 0
    seed: int = 0
    scoring: str = "global"
    home: str = ""
    notice: str = ""
    pools: bool = True
    method: str = "GoldiCLIP-R (reconstruction)"
    trained_on: tuple[str, ...] = ()


def save_weights(
    model: GoldiClip, info: CheckpointInfo, file: Path, dtype: torch.dtype | None = None, slim: bool = False
) -> None:
    """Write a model's weights.

    Args:
        model: The model.
        info: What the file says of itself.
        file: Where to write.
        dtype: Precision of the file; that of the model by default.
        slim: Whether to leave out the heads that only training uses.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if slim:
        state = {name: tensor for name, tensor in state.items() if not name.startswith(TRAINING_ONLY)}
    if dtype is not None:
        state = {name: tensor.to(dtype) for name, tensor in state.items()}
    content = {**vars(info), "config": info.config.stored()}
    with temporary_file(file) as (_, temporary):
        save_file(state, temporary, metadata={"goldiclip": json.dumps(content)})
        set_default_permissions(temporary)
        flush(temporary)
        temporary.replace(file)
    flush_folders([file.parent])


def load_weights(file: Path) -> tuple[GoldiClip, CheckpointInfo]:
    """Read weights into a model of the size that their config names.

    Args:
        file: A weights file, or a checkpoint folder with ``model.safetensors``.

    Returns:
        The model, and what the file says of itself.

    Raises:
        GoldievalError: The file is missing, truncated, damaged, not of this trainer, or does not match its config.
    """
    file = file / "model.safetensors" if file.is_dir() else file
    note_read(file)
    note_read(file.with_name(NAME))
    if not file.is_file():
        raise GoldievalError(f"no checkpoint {file}: name a folder step-… of a run, or a weights file.")
    try:
        with safe_open(str(file), framework="pt") as stored:
            content = json.loads((stored.metadata() or {})["goldiclip"])
            state = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118
        config, trained_on = ModelConfig.model_validate(content["config"]), tuple(content.get("trained_on", ()))
        info = CheckpointInfo(**{**content, "config": config, "trained_on": trained_on})
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        detail = validation_line(error) if isinstance(error, ValidationError) else first_line(error)
        raise GoldievalError(f"{file} is not a readable safetensors checkpoint: {detail.rstrip('.')}.") from error
    except (KeyError, TypeError) as error:
        raise GoldievalError(f"{file} was not written by goldieval train: it carries no model config.") from error
    with torch.device("meta"):
        check_outline(GoldiClip(info.config), file.stat().st_size, file)
    model = GoldiClip(info.config)
    _fill(model, state, file)
    check_file(file)
    return model, info


def start_from(model: GoldiClip, file: Path) -> CheckpointInfo:
    """Give a model the weights of a checkpoint; a part of ``MAY_START_AFRESH`` that it lacks stays as it is.

    Args:
        model: The model to be initialised.
        file: The checkpoint.

    Returns:
        What the checkpoint says of itself.

    Raises:
        GoldievalError: See ``load_weights``; or a tensor is missing or of another shape.
    """
    try:
        initial, info = load_weights(file)
    except GoldievalError as error:
        raise GoldievalError(f"init: {error}{_recipe_hint(file)}") from None
    state = initial.state_dict()
    if bad := not_finite(state):
        raise GoldievalError(f"init: {file} holds weights that are not finite ({bad}). Take an earlier checkpoint.")
    ours = model.state_dict()
    missing = [name for name in ours if name not in state and not name.startswith(MAY_START_AFRESH)]
    other = [name for name, tensor in state.items() if name in ours and tensor.shape != ours[name].shape]
    if missing or other:
        raise GoldievalError(f"init: {file} does not fit the recipe's model: {listing([*missing, *other])}.")
    model.load_state_dict({name: tensor for name, tensor in state.items() if name in ours}, strict=False)
    return info


def _fill(model: GoldiClip, state: dict[str, torch.Tensor], file: Path) -> None:
    """Load the tensors; training heads that the file leaves out are removed, not left at random."""
    for head in TRAINING_ONLY:
        if hasattr(model, head[:-1]) and not any(name.startswith(head) for name in state):
            delattr(model, head[:-1])
    ours = model.state_dict()
    missing = [name for name in ours if name not in state and not name.startswith(TRAINING_ONLY)]
    other = [name for name, tensor in state.items() if name not in ours or tensor.shape != ours[name].shape]
    if missing or other:
        raise GoldievalError(
            f"{file}: {len(missing)} tensors missing, {len(other)} of another shape or name than its config has."
        )
    model.load_state_dict(state, strict=False)


def _recipe_hint(file: Path) -> str:
    """Return the command that makes a checkpoint in the folder of a shipped recipe, if there is no such checkpoint."""
    recipe = file.parent.name
    return f" To make it: goldieval train {recipe}" if not file.exists() and recipe in recipe_names() else ""


def not_finite(state: Any, name: str = "") -> str:
    """Return the name of the first tensor with a NaN or an infinity in nested states, or an empty string.

    Args:
        state: Nested dictionaries with tensors.
        name: Name of ``state`` itself, joined with the keys by dots.
    """
    if isinstance(state, torch.Tensor):
        return "" if not state.is_floating_point() or bool(torch.isfinite(state).all()) else name
    if not isinstance(state, dict):
        return ""
    found = (not_finite(value, f"{name}.{key}" if name else str(key)) for key, value in state.items())
    return next(filter(None, found), "")
