"""What the processes of a training agree on, over their hosts and not over their devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar, cast

import torch

from goldieval.core.stop import SIGNALS, stop_requested
from goldieval.goldiclip.gather import several_processes
from goldieval.goldiclip.launch import longest_exchange, supervision

T = TypeVar("T")
SIGNAL_NAMES = tuple(number.name for number in SIGNALS)


class Agreement:
    """Exchanges what is known on the hosts, in a group of its own: no device waits, and no loss is in between.

    All processes make an agreement at the same place, and ask it the same questions in the same order. While one waits
    for the others it learns which of them has failed, died, or makes no progress, where they are supervised.

    Attributes:
        rank: Number of this process.
        stop: Name of the signal by which some process was requested to stop before the last exchange; else empty.
    """

    def __init__(self) -> None:
        """Form the group."""
        several, timeout = several_processes(), longest_exchange()
        self._group: Any = torch.distributed.new_group(backend="gloo", timeout=timeout) if several else None
        self.rank = torch.distributed.get_rank() if several else 0
        self.stop = ""

    def name(self, rank: int) -> str:
        """Return the name of a process for messages."""
        watching = supervision()
        return watching.members[rank].name if watching is not None else f"rank {rank}"

    @contextmanager
    def working(self, doing: str) -> Iterator[None]:
        """Mark what all processes do together; if it does not end, all stop with a message on where each is."""
        watching = supervision()
        with watching.working(doing) if watching is not None else nullcontext():
            yield

    def agreed(self, flags: Mapping[str, bool]) -> dict[str, bool]:
        """Return which flags are true in any process; all processes name the same ones.

        Raises:
            GoldievalError: Another process has failed, died, or makes no progress.
        """
        every = {**flags, **{name: stop_requested() == name for name in SIGNAL_NAMES}}
        if self._group is not None:
            raised = torch.tensor(list(every.values()), dtype=torch.uint8)
            maximum = torch.distributed.ReduceOp.MAX
            _waited(lambda: torch.distributed.all_reduce(raised, maximum, self._group))
            every = dict(zip(every, raised.bool().tolist(), strict=True))
        self.stop = next((name for name in SIGNAL_NAMES if every[name]), "")
        return {name: every[name] for name in flags}

    def exchanged(self, value: T) -> list[T]:
        """Return the value of every process, by rank.

        Raises:
            GoldievalError: Another process has failed, died, or makes no progress.
        """
        if self._group is None:
            return [value]
        values = cast(list[T], [None] * torch.distributed.get_world_size())
        _waited(lambda: torch.distributed.all_gather_object(values, value, self._group))
        return values

    def differing(self, value: T) -> tuple[str, T, T] | None:
        """Return which process has another value than rank 0 (the first of them), and both values; None if none has.

        Raises:
            GoldievalError: Another process has failed, died, or makes no progress.
        """
        everyone = self.exchanged(value)
        other = [rank for rank, each in enumerate(everyone) if each != everyone[0]]
        return (self.name(other[0]), everyone[0], everyone[other[0]]) if other else None


def _waited(exchange: Callable[[], object]) -> None:
    watching = supervision()
    if watching is None:
        exchange()
    else:
        watching.waited(exchange)
