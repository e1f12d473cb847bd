"""Control groups of Linux (versions 1 and 2), by which batch systems and containers limit a process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

GROUPS = Path("/proc/self/cgroup")
MOUNTED = Path("/sys/fs/cgroup")


class ControlGroup(NamedTuple):
    """A control group that this process is in, or one around it.

    Attributes:
        folder: Its folder, whether or not it can be seen.
        first_version: Whether it is of version 1, whose files have other names.
    """

    folder: Path
    first_version: bool

    def numbers(self, *files: str) -> list[int]:
        """Return the numbers in some of its files; none if one is missing or sets no limit (``max``)."""
        with suppress(OSError, ValueError):
            return [int(part) for file in files for part in (self.folder / file).read_text(encoding="ascii").split()]
        return []


def control_groups(controller: str, groups: Path = GROUPS, mounted: Path = MOUNTED) -> Iterator[ControlGroup]:
    """Yield the groups by which a controller limits this process, from the innermost outwards.

    Args:
        controller: Such as ``memory`` or ``cpu``.
        groups: File that lists the control groups of this process.
        mounted: Folder of all control groups.
    """
    lines = ""
    with suppress(OSError, ValueError):
        lines = groups.read_text(encoding="utf-8")
    for line in lines.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        top = mounted / controller if controllers else mounted
        inner = top / path.strip("/")
        for folder in (inner, *inner.parents):
            if folder == top or top in folder.parents:
                yield ControlGroup(folder, bool(controllers))
