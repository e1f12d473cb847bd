"""Whether a task applies to a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from goldieval.core.containment import contained
from goldieval.core.errors import NotApplicableError, TaskError
from goldieval.engine.plan import Plan, PlannedTask, SkippedTask, not_applicable
from goldieval.families.base import family_of
from goldieval.models.adapter import Adapter, Model, Precomputed

NO_PICTURES = "this task has ids but no pictures: run it with --model embeddings:FOLDER."

NO_EMBEDDINGS = "this model answers questions and gives no embeddings of pictures and texts, which this task compares."


def check_applicable(planned: PlannedTask, model: Model, plan: Plan) -> None:
    """Check before any work that a task applies to the model: one of a suite is skipped, one by name fails."""
    if planned.loaded is None:
        return
    try:
        with contained("preparing"):
            if not isinstance(model, Precomputed) and planned.loaded.has_ids_only:
                raise NotApplicableError(NO_PICTURES)
            if not isinstance(model, Adapter | Precomputed) and not planned.family.uses_prompts:
                raise NotApplicableError(NO_EMBEDDINGS)
            mode = planned.scoring(plan.info)
            planned.family.check_model(model, mode)
            planned.family.check_mode(planned.loaded.prepared, mode)
    except NotApplicableError as error:
        if not plan.skip(planned, str(error)):
            planned.failure = str(error)
    except TaskError as error:
        planned.fail(error)


def restated(skipped: Sequence[SkippedTask], model: Model) -> list[SkippedTask]:
    """Return the tasks that are skipped, with another reason where their data would be of no use to the model.

    Args:
        skipped: tasks of suites, mostly without data.
        model: a model; nothing is said otherwise of one with embeddings.
    """
    if isinstance(model, Adapter | Precomputed):
        return list(skipped)
    return [
        left
        if family_of(left.task.card.family).uses_prompts
        else replace(left, reason=not_applicable(NO_EMBEDDINGS), how_to_get="")
        for left in skipped
    ]
