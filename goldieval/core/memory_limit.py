"""How much memory this process may use: what is free, within the limit that a batch system or a container sets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from goldieval.core.control_groups import GROUPS, MOUNTED, control_groups


def usable_bytes(groups: Path = GROUPS, mounted: Path = MOUNTED) -> int:
    """Return the free memory in bytes, or the limit of this process's control groups if that is less.

    Args:
        groups: File that lists the control groups of this process.
        mounted: Folder of all control groups.

    Returns:
        Bytes; 0 where the system does not say how much is free.
    """
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 0
    return min([free, *_limits(groups, mounted)])


def _limits(groups: Path, mounted: Path) -> Iterator[int]:
    """Yield the limits of the control groups of this process, and of visible ones around them."""
    for group in control_groups("memory", groups, mounted):
        yield from group.numbers("memory.limit_in_bytes" if group.first_version else "memory.max")
