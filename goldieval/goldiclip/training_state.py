"""Everything that a run needs to go on as if it had not been cut, as one checkpoint folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from goldieval.errors import GoldievalError
from goldieval.goldiclip.checkpoint import About, load_state, load_weights, save_folder
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.student import Student


@dataclass(frozen=True)
class TrainingState:
    """Model and teacher, centres and document frequencies, loss weights, optimiser, schedule.

    Data need no state: the batch of a step is the same whenever it is asked for.
    """

    student: Student
    teacher: GoldiClip
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler

    def save(self, folder: Path, step: int, about: About) -> None:
        """Write a checkpoint folder, whole or not at all."""
        weights = self.student.weights
        state = {
            "step": step,
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "losses": self.student.losses.state_dict(),
            "weights": weights.state_dict() if weights is not None else {},
        }
        save_folder(folder, self.student.model, self.teacher, about, state)

    def restore(self, folder: Path, recipe: Recipe) -> int:
        """Read a checkpoint folder into this state; return its step.

        Raises:
            GoldievalError: a checkpoint that cannot be read or does not fit the recipe.
        """
        state = load_state(folder)
        model, about = load_weights(folder)
        if about.config != recipe.model:
            raise GoldievalError(f"cannot resume: {folder} holds a model of another size than recipe {recipe.name}.")
        teacher, _ = load_weights(folder / "teacher.safetensors")
        try:
            self.student.model.load_state_dict(model.state_dict())
            self.teacher.load_state_dict(teacher.state_dict())
            self.student.losses.load_state_dict(state["losses"])
            if self.student.weights is not None:
                self.student.weights.load_state_dict(state["weights"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.schedule.load_state_dict(state["schedule"])
            return int(state["step"])
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise GoldievalError(
                f"cannot resume: {folder} does not fit recipe {recipe.name}; was it written with other objectives "
                "or another weighting? Name another --out."
            ) from error
