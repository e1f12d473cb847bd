"""The same step with values, on this machine's CPU: what simulations are checked against."""

from __future__ import annotations

from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from goldieval.goldiclip.memory.simulation import simple
from goldieval.goldiclip.memory.step import step_of
from goldieval.goldiclip.memory.typical import typical_batch
from goldieval.goldiclip.recipe import Recipe

_STEP = "goldieval: a step"
_MEMORY = "[memory]"  # what the profiler calls the events of an allocator


def measured(recipe: Recipe) -> int:
    """Do a step in which all objectives are active, and return the bytes at its peak as the allocator gave them out.

    Args:
        recipe: The recipe; its precision must be ``no``, since a CPU's autocast is not CUDA's.
    """
    recipe = simple(recipe)
    first = recipe.warm_start.steps if recipe.warm_start else 0
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        batch = typical_batch(recipe, processes=1)
        step = step_of(recipe, torch.device("cpu"))
        with record_function(_STEP):
            step(lambda _: batch, first, 0)
    inner: Any = profiler.profiler
    events = sorted(inner.kineto_results.events(), key=lambda event: event.start_ns())
    return _peak(events)


def _peak(events: list[Any]) -> int:
    """Return the largest sum of what was allocated and not yet freed, from the beginning of the step on."""
    total = peak = 0
    in_step = False
    for event in events:
        in_step |= event.name() == _STEP
        total += event.nbytes() if event.name() == _MEMORY else 0
        peak = max(peak, total) if in_step else 0
    return peak
