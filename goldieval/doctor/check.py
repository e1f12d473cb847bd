"""What every examination returns, and how an examination that breaks becomes a finding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from goldieval.errors import GoldievalError, first_line

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
        return probe(subject)
    except Exception as error:
        return Check(probe.__name__.replace("_", " "), False, reason(error))


def reason(error: BaseException) -> str:
    """Return the first line of an error; its type is said only where the message was not written for the user."""
    line = first_line(error, 300)
    return line if isinstance(error, GoldievalError) else f"{type(error).__name__}: {line}"
