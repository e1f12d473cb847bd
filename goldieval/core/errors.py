"""Errors with messages written for the user."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator


class GoldievalError(Exception):
    """An error that the user can resolve: one line that says what is wrong, where, and what to do."""


class InterruptedRunError(GoldievalError):
    """The user pressed Ctrl-C; the message says how to resume."""


class StoppedRunError(InterruptedRunError):
    """A signal asked the run to end, such as Slurm's warning; the message says how to resume."""


class LostRankError(GoldievalError):
    """Processes that share a run have died, left or stalled: the run cannot go on.

    Attributes:
        ranks: numbers of the lost processes; empty if it is not known.
    """

    def __init__(self, message: str, ranks: Iterable[int] = ()) -> None:
        super().__init__(message)
        self.ranks = frozenset(ranks)


class ChangedModelError(GoldievalError):
    """A model is not the one that the run was planned for: none of its results may be recorded."""


class TaskError(GoldievalError):
    """One task cannot be run or scored; the other tasks of the run continue."""


class NotApplicableError(TaskError):
    """The model lacks a capability that the task requires; not a failure if the task was selected by a suite."""


class AdapterError(TaskError):
    """An adapter violates its contract, whatever its input."""


def first_line(error: BaseException, most: int = 200) -> str:
    """Return the first line of an error's message, at most ``most`` characters, or its type if the message is empty."""
    try:
        message = str(error)
    except Exception:  # ``__str__`` of a foreign exception may fail as well
        message = ""
    return next(iter(message.splitlines()), type(error).__name__)[:most]


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, the one that it was raised from, and so on; each once, since foreign code may close a circle."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean a, b?"`` with the known names closest to ``name``, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" Did you mean {', '.join(near)}?" if near else ""


def listing(names: Iterable[str], most: int = 3) -> str:
    """Return the first names and the number of those omitted, for use within a one-line error message."""
    names = list(names)
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
