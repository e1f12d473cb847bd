"""What a tracker is asked to do: show a run, log numbers at its steps, describe them, close."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

Value = str | int | float | bool
PROJECT = "goldieval"


@dataclass(frozen=True)
class TrackedRun:
    """A run as it is shown in a tracker.

    Attributes:
        name: its name.
        id: its id, which contains no path separator.
        folder: folder of all files that a tracker keeps on this machine.
        config: what is known of it when it begins.
        axis: what its steps count, for example ``step`` or ``images_seen``.
        continued: whether it was begun by another process.
    """

    name: str
    id: str
    folder: Path
    config: Mapping[str, Value]
    axis: str
    continued: bool = False


class Backend(Protocol):
    """One run in one tracker.

    Attributes:
        id: id under which the run is continued.
        view: command or address that shows it.
    """

    id: str
    view: str

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers at a step."""

    def describe(self, texts: Mapping[str, str], step: int) -> None:
        """Add texts that belong to the numbers of a step."""

    def close(self) -> None:
        """Write what is left; a run of the caller stays open."""
