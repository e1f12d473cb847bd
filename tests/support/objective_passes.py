"""One step of every objective through the passes of the trainer: losses and gradients, alone or among several ranks."""

from __future__ import annotations

from typing import Any, get_args

import goldilocks_parts as parts
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from objective_cases import SIZES, batch_of, gradients, recipe

from goldieval.goldiclip.ema import teacher_of
from goldieval.goldiclip.passes import Passes
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.recipe_losses import Objective
from goldieval.goldiclip.student import Student

OBJECTIVES: tuple[str, ...] = get_args(Objective)
FORMS = [f"{name} {form}" for name in ("distil_agnostic", "distil_conditioned") for form in ("info_nce", "cosine")]
CASES = (*OBJECTIVES, *FORMS)
IN_ENCODER = ("caption", "vqa")  # read the text tower's own blocks
IMAGES = 12  # of all ranks together


def several(objectives: tuple[str, ...], decoder: str = "through_encoder", **changes: Any) -> Recipe:
    """A recipe of several objectives, whose model has all parts."""
    return recipe(
        *objectives,
        batch_size=IMAGES,
        **{
            "model": SIZES.model_copy(update={"cross_modal": True, "grouping": True, "decoder": decoder}),
            "data": {"scenes": 32, "captions": 3, "locals": 2, "local_size": 16, "globals": 2, "questions": 3},
            **changes,
        },
    )


def goldilocks(**changes: Any) -> Recipe:
    """A recipe of the objectives that can have a scale, a head or a bound of their own, with all of these."""
    own = {"teacher": parts.TEACHER, "weighting": parts.WEIGHTING}
    return several(tuple(parts.OBJECTIVES), model=SIZES.model_copy(update=parts.MODEL), **own, **changes)


class ObjectiveSteps:
    """Steps of one objective after another, all from the same weights and on the same batch."""

    def __init__(self, chosen: Recipe, rank: int = 0, world: int = 1) -> None:
        """Set up a student with a recipe's execution, and this rank's share of a batch.

        Args:
            chosen: A recipe of all objectives that will be asked for.
            rank: This rank.
            world: Number of ranks.
        """
        static = DistributedDataParallelKwargs(
            find_unused_parameters=not chosen.static_graph, static_graph=chosen.static_graph
        )
        accelerator = Accelerator(cpu=True, mixed_precision=chosen.optimiser.precision, kwargs_handlers=[static])
        torch.manual_seed(0)
        self.chosen, self.student = chosen, Student(chosen)
        self.start = {name: value.clone() for name, value in self.student.state.state_dict().items()}
        teacher, wrapped = teacher_of(self.student.model), accelerator.prepare(self.student)
        self.notes: list[str] = []
        self.passes = Passes(self.student, wrapped, teacher, accelerator, chosen, self.notes.append)
        self.batch = batch_of(chosen, rank, world)

    def __call__(self, name: str = "") -> dict[str, Any]:
        """Do the step of a case: an objective, with the form of distillation; without a name that of all objectives.

        Returns:
            Losses of this rank, and gradients, which are the mean over ranks, and the objectives' state, by name.
        """
        objective, _, form = name.partition(" ")
        changes: dict[str, Any] = {"objectives": {objective: 1.0}} if name else {}
        if form:
            changes["teacher"] = self.chosen.teacher.model_copy(update={"loss": form})
        self.student.state.load_state_dict(self.start)
        self.student.zero_grad()
        self.passes.recipe = self.chosen.model_copy(update=changes)
        _, losses = self.passes.backward(self.batch, 0)
        return {"losses": losses, "gradients": gradients(self.student), "state": self.student.state.state_dict()}


def cloned(found: Any) -> Any:
    """Copy nested tensors, which the next step would change."""
    if isinstance(found, dict):
        return {name: cloned(part) for name, part in found.items()}
    return found.detach().clone()
