"""Work on a batch that may fail for a few of its items: those are found by halving, and cost nobody else anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from goldieval.core.containment import contained
from goldieval.core.errors import AdapterError, TaskError

# Failures in a row after which the rest is not tried: before anything has worked, and after. One bad item in a batch
# of 1,024 makes eleven.
PATIENCE_AT_FIRST, PATIENCE = 16, 256

T = TypeVar("T")


@dataclass
class BatchFailures:
    """What the work failed on.

    reasons: of each item that failed, by its key.   given_up: why nothing more is tried; empty while it is.
    """

    reasons: dict[str, str] = field(default_factory=dict)
    given_up: str = ""
    _in_a_row: int = 0
    _patience: int = PATIENCE_AT_FIRST

    def worked(self) -> None:
        self._in_a_row, self._patience = 0, PATIENCE

    def failed(self, keys: Sequence[str], error: TaskError) -> bool:
        """Take a failure into account; return whether halves of it are worth trying."""
        self._in_a_row += 1
        if isinstance(error, AdapterError) or self._in_a_row >= self._patience:
            self.given_up = str(error)
        if self.given_up or len(keys) == 1:
            self.reasons |= dict.fromkeys(keys, str(error))
            return False
        return True


def bisect_failures(
    keys: Sequence[str], work: Callable[[Sequence[int]], T], faults: BatchFailures, doing: str
) -> Iterator[tuple[Sequence[int], T]]:
    """Yield what ``work`` makes of all rows together or, where it raises, of each half, down to single rows.

    Args:
        keys: of the items, by row.   work: takes rows.   faults: takes up the keys of the rows that fail alone.
            doing: names the work in their reasons.
    """
    waiting: list[Sequence[int]] = [range(len(keys))] if keys else []
    while waiting:
        rows = waiting.pop()
        named = [keys[row] for row in rows]
        if faults.given_up:
            faults.reasons |= dict.fromkeys(named, faults.given_up)
            continue
        try:
            with contained(doing):
                made = work(rows)
        except TaskError as error:
            if faults.failed(named, error):
                middle = len(rows) // 2
                waiting += [rows[middle:], rows[:middle]]
            continue
        faults.worked()
        yield rows, made
