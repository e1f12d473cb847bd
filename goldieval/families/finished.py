"""Finished parts of the work on a task, from which a run that was stopped or killed continues."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np


class Parts(Protocol):
    """Finished parts of the work on one task, such as its pictures, by number; kept until its record is written.

    Attributes:
        folder: folder for files of the family, which the family creates and which is removed together with the parts;
            None if nothing is kept.
    """

    folder: Path | None

    def get(self, number: int) -> dict[str, np.ndarray] | None:
        """Return a part that this run or an earlier one has finished; None if there is none."""

    def add(self, number: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep a finished part."""

    def flush(self) -> None:
        """Write the parts that were added."""

    def remove(self) -> None:
        """Remove all parts."""


class NoParts:
    """Keeps nothing."""

    folder: Path | None = None

    def get(self, number: int) -> dict[str, np.ndarray] | None:
        return None

    def add(self, number: int, arrays: Mapping[str, np.ndarray]) -> None:
        pass

    def flush(self) -> None:
        pass

    def remove(self) -> None:
        pass


def packed(texts: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Return texts by id as a part.

    >>> unpacked(packed({"q1": "two", "q2": "red"}))
    {'q1': 'two', 'q2': 'red'}
    """
    return {"json": np.frombuffer(json.dumps(dict(texts)).encode(), dtype=np.uint8)}


def unpacked(part: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Return the texts of a part by id."""
    texts: dict[str, str] = json.loads(part["json"].tobytes())
    return texts
