"""Everything that a run needs to go on as if it had not been cut, as one checkpoint folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from goldieval.core.errors import GoldievalError, listing
from goldieval.goldiclip.checkpoint import About, load_state, load_weights, not_finite, save_folder
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.student import Student

# Of a recipe, what a resumed run may change because no weight depends on it; the data may have moved.
MAY_CHANGE = ("name", "title", "init", "data.path", "data.workers", "evaluation.", "save_every", "keep", "scoring")


REMOVE = "Remove {} to go on from the checkpoint before it, or name another --out."


@dataclass(frozen=True)
class TrainingState:
    """Model and teacher, centres and document frequencies, loss weights, optimiser, scaler of half precision.

    Data and learning rates need no state: those of a step are the same whenever they are asked for.
    """

    recipe: Recipe
    student: Student
    teacher: GoldiClip
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler | None = None

    def save(self, folder: Path, step: int, about: About) -> None:
        """Write a checkpoint folder, whole or not at all."""
        weights = self.student.weights
        state = {
            "step": step,
            "recipe": self.recipe.model_dump(mode="json"),
            "optimiser": self.optimiser.state_dict(),
            "losses": self.student.losses.state_dict(),
            "weights": weights.state_dict() if weights is not None else {},
            "scaler": self.scaler.state_dict() if self.scaler is not None else {},
        }
        save_folder(folder, self.student.model, self.teacher, about, state)

    def not_finite(self) -> str:
        """Return the name of the first tensor of a checkpoint that is not finite; empty if all are."""
        return not_finite(
            {
                "model": self.student.model.state_dict(),
                "losses": self.student.losses.state_dict(),
                "weights": self.student.weights.state_dict() if self.student.weights is not None else {},
                "teacher": self.teacher.state_dict(),
                "optimiser": self.optimiser.state_dict(),
            }
        )

    def restore(self, folder: Path) -> tuple[int, About]:
        """Read a checkpoint folder into this state; return its step and what it says of itself.

        Raises:
            GoldievalError: a checkpoint that cannot be read, is damaged or not finite, or is of a recipe that would
                have trained other weights.
        """
        state, model, about, teacher = _read(folder)
        try:
            if "recipe" in state:  # older checkpoints do not say
                self._check(folder, Recipe.model_validate(state["recipe"]))
            self.student.model.load_state_dict(model.state_dict())
            self.teacher.load_state_dict(teacher.state_dict())
            self.student.losses.load_state_dict(state["losses"])
            if self.student.weights is not None:
                self.student.weights.load_state_dict(state["weights"])
            self.optimiser.load_state_dict(state["optimiser"])
            if self.scaler is not None:
                self.scaler.load_state_dict(state["scaler"])
            step = int(state["step"])
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise GoldievalError(
                f"cannot resume: {folder} does not fit recipe {self.recipe.name}; was it written by another version "
                "of goldieval? Name another --out."
            ) from error
        if bad := self.not_finite():
            raise GoldievalError(
                f"cannot resume: {folder} holds numbers that are not finite ({bad}). {REMOVE.format(folder)}"
            )
        return step, about

    def _check(self, folder: Path, before: Recipe) -> None:
        then, now = _flat(before.model_dump(mode="json")), _flat(self.recipe.model_dump(mode="json"))
        changed = [
            f"{key} {then.get(key)}, not {now.get(key)}"
            for key in sorted(then.keys() | now.keys())
            if then.get(key) != now.get(key) and not key.startswith(MAY_CHANGE)
        ]
        if changed:
            raise GoldievalError(
                f"cannot resume: {folder} was trained with {listing(changed)}. Take its recipe, or name another --out."
            )


def _read(folder: Path) -> tuple[dict[str, Any], GoldiClip, About, GoldiClip]:
    try:
        state = load_state(folder)
        model, about = load_weights(folder)
        return state, model, about, load_weights(folder / "teacher.safetensors")[0]
    except GoldievalError as error:
        if "cannot resume" in str(error):
            raise
        raise GoldievalError(f"cannot resume: {error} {REMOVE.format(folder)}") from error


def _flat(values: dict[str, Any], above: str = "") -> dict[str, Any]:
    """``{"optimiser": {"lr": 1}}`` to ``{"optimiser.lr": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return flat
