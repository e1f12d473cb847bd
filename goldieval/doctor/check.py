"""What every examination returns, and how an examination that breaks becomes a finding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from goldieval.core.containment import contained, error_line
from goldieval.core.errors import TaskError

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Check:
    """One finding.

    passed: None for a note, which is neither right nor wrong.
    found: one line, with what to do; a command to copy follows on a line of its own.
    """

    name: str
    passed: bool | None
    found: str


def examine(probe: Callable[[Subject], Check], subject: Subject) -> Check:
    """Run one probe; one that raises becomes a failure under its own name, so that the others go on."""
    try:
        with contained():
            return probe(subject)
    except TaskError as error:
        return Check(probe.__name__.replace("_", " "), False, reason(error))


def examine_all(name: str, examination: Callable[[], list[Check]]) -> list[Check]:
    """Run an examination of several checks; one that raises becomes a failure under ``name``."""
    try:
        with contained():
            return examination()
    except TaskError as error:
        return [Check(name, False, reason(error))]


def reason(error: BaseException) -> str:
    """Return the first line of an error; its type is said only where the message was not written for the user."""
    return next(iter(error_line(error).splitlines()), "")[:300]
