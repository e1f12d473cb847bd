"""Everything that a run needs to continue as if it had not been interrupted, as one checkpoint folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from goldieval.core.errors import GoldievalError, listing
from goldieval.goldiclip.checkpoint import CheckpointInfo, load_weights, not_finite
from goldieval.goldiclip.checkpoint_folder import DamagedCheckpointError, load_state, save_folder
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.optimiser import load_optimiser_state
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.student import Student
from goldieval.tasks.validation import validation_line

# Keys of a recipe that a resumed run may change because no weight depends on them; the data may have moved.
PARTS_MAY_CHANGE = ("data.path", "data.workers", "data.shuffle", "evaluation.", "execution.")
MAY_CHANGE = ("name", "title", "init", *PARTS_MAY_CHANGE, "save_every", "keep", "scoring")
REMOVE = "Remove {} to go on from the checkpoint before it, or name another --out."


@dataclass(frozen=True)
class TrainingState:
    """State of a run. Data and learning rates need none: those of a step depend on the step alone.

    Attributes:
        recipe: Recipe of the run.
        student: Model, objective state and loss weights.
        teacher: The student's moving average.
        optimiser: The optimiser, not wrapped by accelerate.
        scaler: Gradient scaler of fp16, else None.
    """

    recipe: Recipe
    student: Student
    teacher: GoldiClip
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler | None = None

    def save(self, folder: Path, step: int, info: CheckpointInfo) -> None:
        """Write a checkpoint folder, whole or not at all.

        Args:
            folder: Where to write.
            step: Steps done.
            info: What the checkpoint says of itself.

        Raises:
            GoldievalError: It cannot be written.
        """
        state = {
            "step": step,
            "recipe": self.recipe.model_dump(mode="json"),
            "optimiser": self.optimiser.state_dict(),
            "losses": self.student.state.state_dict(),
            "weights": self._learned_weights(),
            "scaler": self.scaler.state_dict() if self.scaler is not None else {},
        }
        save_folder(folder, self.student.model, self.teacher, info, state)

    def not_finite(self) -> str:
        """Return the name of the first tensor of a checkpoint that is not finite, or an empty string."""
        return not_finite(
            {
                "model": self.student.model.state_dict(),
                "losses": self.student.state.state_dict(),
                "weights": self._learned_weights(),
                "teacher": self.teacher.state_dict(),
                "optimiser": self.optimiser.state_dict(),
            }
        )

    def restore(self, folder: Path) -> tuple[int, CheckpointInfo]:
        """Read a checkpoint folder into this state, which lies on its device already.

        Args:
            folder: The checkpoint.

        Returns:
            The steps that it has done, and what it says of itself.

        Raises:
            DamagedCheckpointError: The checkpoint cannot be read, is damaged or not finite.
            GoldievalError: It belongs to a recipe that trains other weights.
        """
        state, model, info, teacher = _read(folder)
        try:
            if "recipe" in state:  # older checkpoints do not have it
                self._check_recipe(folder, _recipe_of(folder, state["recipe"]))
            self.student.model.load_state_dict(model.state_dict())
            self.teacher.load_state_dict(teacher.state_dict())
            self.student.state.load_state_dict(state["losses"])
            if self.student.learned_weights is not None:
                self.student.learned_weights.load_state_dict(state["weights"])
            load_optimiser_state(self.optimiser, state["optimiser"])
            if self.scaler is not None:
                self.scaler.load_state_dict(state["scaler"])
            step = int(state["step"])
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise GoldievalError(
                f"cannot resume: {folder} does not fit recipe {self.recipe.name}; was it written by another version "
                "of goldieval? Name another --out."
            ) from error
        if bad := self.not_finite():
            raise DamagedCheckpointError(
                f"cannot resume: {folder} holds numbers that are not finite ({bad}). {REMOVE.format(folder)}"
            )
        return step, info

    def _learned_weights(self) -> dict[str, Any]:
        learned = self.student.learned_weights
        return learned.state_dict() if learned is not None else {}

    def _check_recipe(self, folder: Path, before: Recipe) -> None:
        if changed := differences(before, self.recipe):
            raise GoldievalError(
                f"cannot resume: {folder} was trained with {listing(changed)}. Use its recipe, or name another --out."
            )


def differences(before: Recipe, now: Recipe) -> list[str]:
    """Return which values of two recipes differ, such as ``seed 1, not 2``, of those that weights depend on."""
    then, after = _flat(before.model_dump(mode="json")), _flat(now.model_dump(mode="json"))
    return [
        f"{key} {then.get(key)}, not {after.get(key)}"
        for key in sorted(then.keys() | after.keys())
        if then.get(key) != after.get(key) and not key.startswith(MAY_CHANGE)
    ]


def _read(folder: Path) -> tuple[dict[str, Any], GoldiClip, CheckpointInfo, GoldiClip]:
    try:
        state = load_state(folder)
        model, info = load_weights(folder)
        return state, model, info, load_weights(folder / "teacher.safetensors")[0]
    except GoldievalError as error:
        known = "cannot resume" in str(error)
        line = str(error) if known else f"cannot resume: {error} {REMOVE.format(folder)}"
        raise DamagedCheckpointError(line) from error


def _recipe_of(folder: Path, stored: Any) -> Recipe:
    try:
        return Recipe.model_validate(stored)
    except ValidationError as error:
        raise GoldievalError(
            f"cannot resume: {folder} was trained by a recipe that this version of goldieval does not have "
            f"({validation_line(error)}). Begin a new run from its weights with --set init={folder} and another --out."
        ) from error


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn ``{"optimiser": {"lr": 1}}`` into ``{"optimiser.lr": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
