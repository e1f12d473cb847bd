"""How many processes load data ahead: as many as the cores and the memory of this machine allow."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from goldieval.core.memory_limit import usable_bytes
from goldieval.goldiclip.data.loader import AHEAD
from goldieval.goldiclip.data.processes import cores
from goldieval.goldiclip.recipe import Recipe

MOST = 32  # of a process; at 150 images a second each they feed more than one GPU takes at ViT-B/16
WORKER_BYTES = 200 * 2**20  # what a worker takes beside its batches
TEXT_BYTES = 8  # of a token
SHARED = Path("/dev/shm")


@dataclass(frozen=True)
class WorkerPlan:
    """How a process loads its batches.

    Attributes:
        workers: Number of worker processes; 0 makes batches in the training process.
        ahead: Number of batches that each makes ahead.
        line: What was chosen and why, or an empty string where the recipe says it.
    """

    workers: int
    ahead: int = AHEAD
    line: str = ""


def worker_plan(recipe: Recipe, processes: int, shards: int | None = None) -> WorkerPlan:
    """Return how each process loads its batches: as the recipe says, else none for drawn scenes and some for files.

    Args:
        recipe: The recipe.
        processes: Processes of the whole training. Where torchrun tells the number of processes on this machine, which
            share its cores and its memory, that number counts.
        shards: Number of shards of a stream, of which each worker needs one.
    """
    most = MOST if shards is None else max(1, min(MOST, shards // processes))
    if recipe.data.workers is not None:
        return WorkerPlan(recipe.data.workers if shards is None else min(recipe.data.workers, most))
    if recipe.data.source == "shapes":
        return WorkerPlan(0)
    here = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    batch = batch_bytes(recipe, processes)
    by_cores = max(1, min(most, cores() // here - 1))
    counts = {ahead: min(by_cores, _fitting(batch, ahead, here)) for ahead in (AHEAD, 1)}
    ahead = AHEAD if counts[AHEAD] >= counts[1] else 1
    workers = max(1, counts[ahead])
    reason = f"{cores():,} cores" if workers == by_cores else "what memory allows"
    among = f" for {here} processes here" if here > 1 else ""
    plural = "worker loads" if workers == 1 else "workers load"
    size = f"{batch / 1e6:,.0f} MB" if batch >= 1e6 else f"{batch / 1e3:,.0f} kB"
    line = f"{workers} data {plural} {ahead} batches of {size} ahead ({reason}{among}; data.workers changes it)"
    return WorkerPlan(workers, ahead, line)


def batch_bytes(recipe: Recipe, processes: int) -> int:
    """Return about how many bytes one process's share of a batch takes."""
    data, side = recipe.data, recipe.model.image_size
    pixels = 3 * ((1 + data.globals) * side**2 + data.locals * data.local_size**2)
    texts = data.captions + 2 * data.questions + (2 * data.foils if recipe.uses_foils else 0)
    tokens = texts * recipe.model.context_length * TEXT_BYTES
    draws = recipe.optimiser.batch_size if recipe.draws_captions else 0
    return -(-recipe.optimiser.batch_size // processes) * (pixels + tokens + draws)


def _fitting(batch: int, ahead: int, here: int) -> int:
    """Return how many workers fit into half of the memory, and half of the shared memory, of each process here."""
    made = (ahead + 1) * batch  # one more is being made
    found = [usable_bytes() // (2 * here * (WORKER_BYTES + made))] if usable_bytes() else []
    with suppress(OSError):
        if sys.platform == "linux":
            found.append(shutil.disk_usage(SHARED).free // (2 * here * made))
    return min(found, default=MOST)
