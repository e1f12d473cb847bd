"""Batches that fail because of a few of their items: bisection isolates those items, and all others are processed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from goldieval.core.containment import contained
from goldieval.core.errors import AdapterError, TaskError
from goldieval.core.out_of_memory import memory_cause

# Number of consecutive failures after which the remaining items are not tried: before the first success, and after it.
# One bad item in a batch of 1,024 causes eleven consecutive failures.
PATIENCE_AT_FIRST, PATIENCE = 16, 256

T = TypeVar("T")


@dataclass
class BatchFailures:
    """Items on which the work failed.

    Attributes:
        reasons: Reason for each failed item, by its key.
        given_up: Why no further items are tried; empty as long as they are.
        too_large: Number of batches that did not fit into memory and were tried again as halves.
    """

    reasons: dict[str, str] = field(default_factory=dict)
    given_up: str = ""
    too_large: int = 0
    _in_a_row: int = 0
    _patience: int = PATIENCE_AT_FIRST

    @property
    def has_worked(self) -> bool:
        """Whether the work has succeeded on any item."""
        return self._patience > PATIENCE_AT_FIRST

    def begin_again(self) -> None:
        """Forget the failures: the work has succeeded elsewhere, so that more failures in a row are borne."""
        self.reasons, self.given_up = {}, ""
        self.worked()

    def of_other_work(self) -> BatchFailures:
        """Return failures of other work on the same items, with the same reasons and as much patience as here."""
        return BatchFailures(self.reasons, _patience=self._patience)

    def worked(self) -> None:
        self._in_a_row, self._patience = 0, PATIENCE

    def failed(self, keys: Sequence[str], error: TaskError) -> bool:
        """Register a failure; return whether the two halves of the batch should be tried."""
        self._in_a_row += 1
        if isinstance(error, AdapterError) or self._in_a_row >= self._patience:
            self.given_up = str(error)
        if self.given_up or len(keys) == 1:
            self.reasons |= dict.fromkeys(keys, str(error))
            return False
        self.too_large += memory_cause(error) is not None
        return True


def bisect_failures(
    keys: Sequence[str], work: Callable[[Sequence[int]], T], faults: BatchFailures, doing: str
) -> Iterator[tuple[Sequence[int], T]]:
    """Yield the result of ``work`` for all rows together or, where it raises, for each half, down to single rows.

    Args:
        keys: Keys of the items, by row.
        work: Processes the given rows.
        faults: Receives the keys of the rows that fail on their own.
        doing: Describes the work in the reasons, for example ``"encoding images"``.
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
