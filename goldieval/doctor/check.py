"""The result of a check, and how an exception in a check becomes a failed check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from goldieval.core.containment import contained, error_line
from goldieval.core.errors import TaskError

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: short name of the check.
        passed: whether it passed; None for information that is neither right nor wrong.
        found: the finding in one line, with what to do; a command to copy follows on a line of its own.
    """

    name: str
    passed: bool | None
    found: str


def run_probe(probe: Callable[[Subject], Check], subject: Subject) -> Check:
    """Run one probe. An exception becomes a failed check under the name of the probe, so that the others still run."""
    try:
        with contained():
            return probe(subject)
    except TaskError as error:
        return Check(probe.__name__.replace("_", " "), False, reason(error))


def run_checks(name: str, checks: Callable[[], list[Check]]) -> list[Check]:
    """Run a function that returns several checks. An exception becomes one failed check named ``name``."""
    try:
        with contained():
            return checks()
    except TaskError as error:
        return [Check(name, False, reason(error))]


def reason(error: BaseException) -> str:
    """Return the first line of an error, with its type only if the message was not written for the user."""
    return next(iter(error_line(error).splitlines()), "")[:300]
