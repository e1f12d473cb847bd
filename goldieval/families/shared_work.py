"""What families have in common that divide work with the model among ranks and threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import torch

from goldieval.core.units import thread_count, units
from goldieval.families.base import TaskRun

Item = TypeVar("Item")
Result = TypeVar("Result")


def model_threads(model: object) -> int | None:
    """Return the number of threads that may use a model at a time, each with a unit of its own.

    None if its adapter does not say ``concurrent = True``: then units are computed one after the other, see
    ``core.units.units``.
    """
    return thread_count() if getattr(model, "concurrent", False) else None


def model_units(
    run: TaskRun[Any], function: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[tuple[Item, Result]]:
    """Yield every item with the result of a function that uses the model of a run, in order.

    Args:
        run: the task and the model.
        function: computes one unit, a batch or a picture.
        items: the units.
    """
    threads = model_threads(run.model)
    compute = function if threads is None else torch.inference_mode()(function)  # a setting of a thread
    return units(compute, items, str(getattr(run.model, "device", run.device)), threads)


def leave_out_failed(run: TaskRun[Any], failed: Mapping[str, str]) -> dict[str, str]:
    """Leave the pictures out that failed on any rank, on every rank.

    Args:
        run: the task.
        failed: content key to reason, of the pictures that failed on this rank.

    Returns:
        The same of all ranks.

    Raises:
        TaskError: more pictures are unreadable than the run allows.
    """
    everywhere = {key: reason for part in run.group.all_gather(dict(failed)) for key, reason in part.items()}
    run.leave_out(everywhere)
    return everywhere
