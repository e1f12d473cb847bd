"""Failures of one rank as the others learn of them, so that all ranks fail in the same way at the same place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from goldieval.core.containment import error_line
from goldieval.core.errors import (
    ChangedModelError,
    GoldievalError,
    InterruptedRunError,
    NotApplicableError,
    StoppedRunError,
    TaskError,
    causes,
)

E = TypeVar("E", bound=BaseException)
KINDS = (  # the first that fits
    StoppedRunError,
    InterruptedRunError,
    ChangedModelError,
    NotApplicableError,
    TaskError,
    GoldievalError,
)


@dataclass(frozen=True)
class Failure:
    """A failure of one rank.

    Attributes:
        kind: name of the type of error that the other ranks raise.
        reason: its message.
    """

    kind: str
    reason: str

    def error(self, rank_name: str) -> GoldievalError:
        """Return the error for another rank; it names the one that failed.

        Args:
            rank_name: name of the rank that failed.
        """
        kind = next(each for each in KINDS if each.__name__ == self.kind)
        stopped = kind in (StoppedRunError, InterruptedRunError)
        return known_to_all(kind(self.reason if stopped else f"{rank_name}: {self.reason}"))


def failure_of(error: BaseException) -> Failure:
    """Return an error in the form in which the other ranks are told."""
    kind = next((each for each in KINDS if isinstance(error, each)), GoldievalError)
    return Failure(kind.__name__, error_line(error))


def known_to_all(error: E) -> E:
    """Mark an error of which all ranks have been told, and return it."""
    error.__dict__["known_to_all"] = True
    return error


def is_known_to_all(error: BaseException | None) -> bool:
    """Return whether all ranks have been told of an error, or of the one that caused it."""
    return any(each.__dict__.get("known_to_all") for each in causes(error))
