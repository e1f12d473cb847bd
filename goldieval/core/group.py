"""The processes that share the work of one evaluation, and how work is divided among them: by rule, not by race.

Every process has a rank. Unit number n of any list of work (chunks, batches, pictures) belongs to rank n modulo the
number of ranks; the units themselves do not depend on that number, and neither do the results.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Group(Protocol):
    """A group of processes. Every rank must call the same methods in the same order.

    Attributes:
        rank: number of this process, from 0.
        size: number of processes.
    """

    rank: int
    size: int

    def gather(self, value: T) -> list[T] | None:
        """Return the value of every rank, in the order of ranks, on rank 0; None on the others."""

    def all_gather(self, value: T) -> list[T]:
        """Return the value of every rank, in the order of ranks, on every rank."""

    def broadcast(self, value: T) -> T:
        """Return the value of rank 0 on every rank; the values of the others are ignored."""


class Alone:
    """The group of a single process.

    Attributes:
        rank: 0.
        size: 1.
    """

    rank, size = 0, 1

    def gather(self, value: T) -> list[T] | None:
        return [value]

    def all_gather(self, value: T) -> list[T]:
        return [value]

    def broadcast(self, value: T) -> T:
        return value


def share(units: Sequence[T], group: Group) -> Iterator[tuple[int, T]]:
    """Yield number and unit of the work of this rank.

    >>> list(share("abc", Alone()))
    [(0, 'a'), (1, 'b'), (2, 'c')]
    """
    for number in range(group.rank, len(units), group.size):
        yield number, units[number]
