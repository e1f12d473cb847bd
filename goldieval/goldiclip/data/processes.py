"""Work on many items in several processes, with the results in order."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from goldieval.core.memory_limit import GROUPS, MOUNTED

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
    """Yield the cores that the control groups (versions 1 and 2) of this process may use, rounded up."""
    lines = ""
    with suppress(OSError, ValueError):
        lines = groups.read_text(encoding="utf-8")
    for line in lines.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = mounted / "cpu" if controllers else mounted
        inner = top / path.strip("/")
        for folder in (inner, *inner.parents):
            if folder == top or top in folder.parents:
                yield from _quota(folder, bool(controllers))


def _quota(folder: Path, first_version: bool) -> Iterator[int]:
    names = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if first_version else ("cpu.max",)
    with suppress(OSError, ValueError):  # no such file, or "max"
        quota, period = (int(part) for name in names for part in (folder / name).read_text(encoding="ascii").split())
        if quota > 0 and period > 0:
            yield -(-quota // period)


def in_processes(work: Callable[[Item], Result], items: Sequence[Item], processes: int) -> Iterator[Result]:
    """Yield the results in the order of the items; one process means this one."""
    if processes <= 1:
        yield from map(work, items)
        return
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
        yield from pool.map(work, items)
