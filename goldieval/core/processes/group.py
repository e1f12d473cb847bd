"""The process group of an evaluation: exchange of values between ranks that cannot hang on one that failed.

Every exchange begins with the arrival of all ranks: each writes a line to the store of the process group, and polls for
those of the others. A rank that failed arrives with its failure, which all ranks then raise; one that died or hangs is
named. Values are only sent once all have arrived.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from goldieval.core.errors import GoldievalError, LostRankError, first_line
from goldieval.core.group import Alone, Group
from goldieval.core.processes.background import result_of, started
from goldieval.core.processes.failures import Failure, failure_of, is_known_to_all, known_to_all
from goldieval.core.processes.liveness import BEAT_S, Heartbeat, Member, Watch

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

T = TypeVar("T")
SHORTEST_POLL_S, LONGEST_POLL_S = 0.001, 0.1
FAREWELL_S = 10.0


class OneProcess(Alone):
    """The group of a single process, which has nobody to agree with."""

    @contextmanager
    def together(self, doing: str) -> Iterator[None]:
        yield

    @contextmanager
    def told(self) -> Iterator[None]:
        yield

    def check_same(self, what: str, values: Mapping[str, str]) -> None:
        pass

    def progressed(self) -> None:
        pass


class Processes:
    """A ``core.group.Group`` over torch.distributed.

    Attributes:
        rank: number of this process.
        size: number of processes.
        members: all ranks, by number.
    """

    def __init__(self, store: Store, transport: Group, members: list[Member], rank: int) -> None:
        """Begin to show signs of life.

        Args:
            store: store for the signs of life and arrivals of this group alone.
            transport: carries values between ranks that have arrived.
            members: all ranks, by number.
            rank: number of this process.
        """
        self.rank, self.size, self.members = rank, len(members), members
        self._store, self._transport, self._exchanges = store, transport, 0
        self._heartbeat = Heartbeat(store, rank)
        self._watch = Watch(store, members, members[rank])

    def gather(self, value: T) -> list[T] | None:
        return self._exchange("gather", lambda: self._transport.gather(value))

    def all_gather(self, value: T) -> list[T]:
        return self._exchange("all_gather", lambda: self._transport.all_gather(value))

    def broadcast(self, value: T) -> T:
        return self._exchange("broadcast", lambda: self._transport.broadcast(value))

    @contextmanager
    def together(self, doing: str) -> Iterator[None]:
        """Succeed on all ranks, or fail on all: an error inside is raised on the others at their next exchange.

        Args:
            doing: what is done, for messages.

        Raises:
            GoldievalError: another rank failed; it is named.
        """
        with self.told():
            yield
            self._arrive(f"end of {doing}", None)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tell the other ranks of an error inside, unless they know of it."""
        try:
            yield
        except (KeyboardInterrupt, GeneratorExit, LostRankError):
            raise  # the others learn of it when the heartbeat stops
        except BaseException as error:
            if not is_known_to_all(error):
                self._arrive("failed", failure_of(error))
                known_to_all(error)
            raise

    def check_same(self, what: str, values: Mapping[str, str]) -> None:
        """Check that all ranks have the same values.

        Args:
            what: what is compared.
            values: the values of this rank, by name.

        Raises:
            GoldievalError: two ranks differ; both are named, with both values.
        """
        everyone = self.all_gather(dict(values))
        for member, own in zip(self.members, everyone, strict=True):
            for name in everyone[0] | own:
                first, other = everyone[0].get(name, "none"), own.get(name, "none")
                if first != other:
                    first_name = self.members[0].name
                    line = f"{what} differ: {first_name} has {name} {first}, {member.name} has {other.rstrip('.')}."
                    raise known_to_all(GoldievalError(line))

    def progressed(self) -> None:
        """Count some work of this rank as done."""
        self._heartbeat.progressed()

    def leave(self, reason: str = "") -> None:
        """End the signs of life. Rank 0, whose process may keep the store, stays until the others have read it.

        Args:
            reason: why this rank leaves although the others go on.
        """
        self._heartbeat.stop(reason)
        with suppress(Exception):  # the store has ended
            self._store.set(f"gone/{self.rank}", "gone")
            end = time.monotonic() + FAREWELL_S
            waits = self.rank == 0
            while waits and time.monotonic() < end:
                waits = not self._store.check([f"gone/{rank}" for rank in range(self.size)])
                time.sleep(SHORTEST_POLL_S)

    def _exchange(self, what: str, send: Callable[[], T]) -> T:
        """Wait for all ranks, and send values unless one of them failed."""
        self._arrive(what, None)
        return self._send(send, what)

    def _arrive(self, what: str, failure: Failure | None) -> None:
        """Wait until all ranks have arrived at the same exchange; raise the failure of the first that has one."""
        self._exchanges += 1
        keys = [f"arrival/{self._exchanges}/{rank}" for rank in range(self.size)]
        line = {"what": what, "failure": asdict(failure) if failure else None}
        self._ask(what, self._store.set, keys[self.rank], json.dumps(line))
        self._wait(keys, what)
        arrivals = [json.loads(self._ask(what, self._store.get, key)) for key in keys]
        failed = [(rank, Failure(**each["failure"])) for rank, each in enumerate(arrivals) if each["failure"]]
        if failed and failure is None:
            rank, first = failed[0]
            raise first.error(self.members[rank].name)
        if not failed and (different := {each["what"] for each in arrivals} - {what}):
            raise LostRankError(
                f"ranks do different things, {what} and {different.pop()}: this is a bug in goldieval.", [0]
            )

    def _wait(self, keys: list[str], what: str) -> None:
        """Wait until all ranks have arrived, and watch those that have not."""
        pause, next_check = SHORTEST_POLL_S, time.monotonic() + BEAT_S / 2
        while not self._ask(what, self._store.check, keys):
            if time.monotonic() > next_check:
                absent = [rank for rank, key in enumerate(keys) if not self._ask(what, self._store.check, [key])]
                self._ask(what, self._watch.check, absent, what)
                next_check = time.monotonic() + BEAT_S
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_POLL_S)

    def _send(self, send: Callable[[], T], what: str) -> T:
        """Send in a thread, so that Ctrl-C and signals reach this one, and ranks are watched meanwhile."""
        others = [rank for rank in range(self.size) if rank != self.rank]

        def watch() -> None:
            self._ask(what, self._watch.check, others, what)

        try:
            return result_of(started(send), BEAT_S, watch)
        except LostRankError:
            raise
        except Exception as error:
            watch()
            line = f"the ranks cannot reach each other ({what}): {first_line(error)}"
            raise LostRankError(line, others) from error

    def _ask(self, what: str, question: Callable[..., T], *arguments: Any) -> T:
        """Ask the store, which is gone when the process that keeps it has ended."""
        try:
            return question(*arguments)
        except LostRankError:
            raise
        except Exception as error:
            lost = f"{self.members[0].name} or its launcher has ended ({what}: {first_line(error)})"
            raise LostRankError(f"{lost}; the same command continues from here.", [0]) from error


Ranks = Processes | OneProcess
