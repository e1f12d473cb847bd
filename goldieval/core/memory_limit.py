"""How much memory this process may use: what is free, within the limit that a batch system or a container sets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

GROUPS = Path("/proc/self/cgroup")
MOUNTED = Path("/sys/fs/cgroup")


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
    """Yield the limits of the control groups (versions 1 and 2) and of visible ones around them."""
    lines = ""
    with suppress(OSError, ValueError):
        lines = groups.read_text(encoding="utf-8")
    for line in lines.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "memory" not in controllers.split(","):
            continue
        top, name = (mounted / "memory", "memory.limit_in_bytes") if controllers else (mounted, "memory.max")
        inner = top / path.strip("/")
        for folder in (inner, *inner.parents):
            if folder != top and top not in folder.parents:
                break
            with suppress(OSError, ValueError):  # no such file, or "max"
                yield int((folder / name).read_text(encoding="ascii"))
