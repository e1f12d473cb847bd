"""One step of every objective through the passes of the trainer: losses and gradients, alone or among several ranks."""

from __future__ import annotations

from typing import Any, get_args

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from objective_cases import SIZES, batch_of, gradients, recipe, seeded

from goldieval.goldiclip.ema import teacher_of
from goldieval.goldiclip.passes import Passes
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.recipe_parts import Objective
from goldieval.goldiclip.student import Student

OBJECTIVES: tuple[str, ...] = get_args(Objective)
FORMS = [f"{name} {form}" for name in ("distil_agnostic", "distil_conditioned") for form in ("info_nce", "cosine")]
CASES = (*OBJECTIVES, *FORMS, "caption in_encoder", "vqa in_encoder")
WHOLE = SIZES.model_copy(update={"cross_modal": True, "grouping": True})
IMAGES = 12  # of all ranks together


def case(name: str, **changes: Any) -> Recipe:
    """A recipe of objectives, joined by plus signs; a second word is the form of distillation or the decoder."""
    objectives, _, form = name.partition(" ")
    data = {"scenes": 32, "captions": 3, "locals": 2, "local_size": 16, "globals": 2, "questions": 3}
    in_encoder = {"model": WHOLE.model_copy(update={"decoder": form})} if form == "in_encoder" else {}
    teacher = {"teacher": {"loss": form}} if form in ("info_nce", "cosine") else {}
    return recipe(
        *objectives.split("+"), batch_size=IMAGES, **{"data": data, "model": WHOLE, **in_encoder, **teacher, **changes}
    )


def losses_and_gradients(
    chosen: Recipe, rank: int = 0, world: int = 1
) -> tuple[torch.Tensor, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return the total loss, the losses and the gradients of this rank's share; gradients are the mean over ranks."""
    accelerator = Accelerator(
        cpu=True,
        mixed_precision=chosen.optimiser.precision,
        kwargs_handlers=[
            DistributedDataParallelKwargs(
                find_unused_parameters=not chosen.static_graph, static_graph=chosen.static_graph
            )
        ],
    )
    torch.manual_seed(0)
    student = Student(chosen)
    teacher = teacher_of(student.model)
    passes = Passes(student, accelerator.prepare(student), teacher, accelerator, chosen)
    total, losses = passes.backward(batch_of(chosen, rank, world), seeded(7), 0)
    return total, losses, gradients(student)
