"""The one kind of error that is meant for the person at the keyboard."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GoldievalError(Exception):
    """Something the user can mend: one line saying what is wrong, where, and what to do."""


class InterruptedRunError(GoldievalError):
    """The person pressed Ctrl-C; says how to go on."""


class TaskError(GoldievalError):
    """One task cannot be run or scored; the other tasks of the run go on."""


class NotApplicableError(TaskError):
    """The model lacks a capability that the task needs: no failure where a suite chose the task."""


class AdapterError(TaskError):
    """An adapter returns something else than it promises, whatever it is given."""


def first_line(error: BaseException, most: int = 200) -> str:
    """Return the first line of what an error says, at most ``most`` characters; its type if it says nothing."""
    try:
        said = str(error)
    except Exception:  # exceptions of others may fail at that as well
        said = ""
    return next(iter(said.splitlines()), type(error).__name__)[:most]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean a, b?"`` for the nearest known names, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" Did you mean {', '.join(near)}?" if near else ""


def listing(names: Iterable[str], most: int = 3) -> str:
    """Return the first few names and how many were left out, for use inside one error line."""
    names = list(names)
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
