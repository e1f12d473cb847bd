"""Work on many items in several processes, with the results in order."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

from goldieval.core.control_groups import GROUPS, MOUNTED, control_groups

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Return the number of cores that may be used; 1 where forking is not safe (other systems than Linux).

    That is those that this process may run on, or fewer where a batch system or a container limits its time on them.
    """
    if sys.platform != "linux":
        return 1
    return max(1, min([len(os.sched_getaffinity(0)), *_quotas(GROUPS, MOUNTED)]))


def _quotas(groups: Path, mounted: Path) -> Iterator[int]:
    """Yield the cores that the control groups of this process may use, rounded up."""
    for group in control_groups("cpu", groups, mounted):
        files = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if group.first_version else ("cpu.max",)
        limits = group.numbers(*files)
        if len(limits) == 2 and min(limits) > 0:
            quota, period = limits
            yield -(-quota // period)


def in_processes(work: Callable[[Item], Result], items: Sequence[Item], processes: int) -> Iterator[Result]:
    """Yield the results in the order of the items; one process means this one."""
    if processes <= 1:
        yield from map(work, items)
        return
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
        yield from pool.map(work, items)
