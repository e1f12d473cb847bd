"""Signs of life of all ranks, from which those that wait can tell who has died, left, or makes no progress.

Every rank counts in the store of the process group: one counter while its process lives, one for the work that it
reports done. Ranks compare a counter with its earlier values only, so that clocks need not agree.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Container
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from goldieval.core.errors import GoldievalError, LostRankError

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

BEAT_S = 2.0
SILENCE_S = 120.0  # without a sign of life, after which a process of another machine counts as dead
STALL_S = 1800.0  # without progress, after which a rank counts as stalled
SUSPENDED_S = 30.0  # between two looks at the other ranks, after which earlier ones do not count
VARIABLE = "GOLDIEVAL_RANK_TIMEOUT"


@dataclass(frozen=True)
class Member:
    """A rank and its process.

    Attributes:
        rank: its number.
        host: name of its machine.
        machine: identity of the running machine, which differs between machines of the same name.
        process: id of its process.
    """

    rank: int
    host: str
    machine: str
    process: int

    @property
    def name(self) -> str:
        return f"rank {self.rank} ({self.host}, process {self.process})"


class Heartbeat:
    """Reports that this process lives and makes progress, from a thread of its own."""

    def __init__(self, store: Store, rank: int) -> None:
        """Start to report.

        Args:
            store: the store of this group of processes.
            rank: number of this process.
        """
        self._store, self._rank, self._done, self._arrived = store, rank, 0, 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="goldieval-heartbeat", daemon=True)
        self._thread.start()

    def progressed(self) -> None:
        """Count some work as done."""
        self._done += 1

    def arrived(self) -> None:
        """Count this rank as come to the place where all ranks wait for each other."""
        self._arrived += 1

    def stop(self, reason: str = "") -> None:
        """Stop to report; tell the others why this rank leaves, if they do not expect it."""
        self._stopped.set()
        if reason:
            with suppress(Exception):  # the store is gone with rank 0
                self._store.set(f"left/{self._rank}", reason)
        self._thread.join(BEAT_S)

    def _run(self) -> None:
        beats = 0
        while True:
            beats += 1
            try:
                self._store.set(f"life/{self._rank}", f"{beats} {self._done} {self._arrived}")
            except Exception:  # the store has ended, and does not come back: the next exchange says so
                return
            if self._stopped.wait(BEAT_S):
                return


class Watch:
    """Watches ranks while this one waits for them."""

    def __init__(
        self,
        store: Store,
        members: list[Member],
        own: Member,
        again: str = "the same command continues from here",
    ) -> None:
        """Begin to watch.

        Args:
            store: the store of this group of processes.
            members: all ranks, by number.
            own: this rank.
            again: how the work goes on after the loss of a rank, for messages.
        """
        self._store, self._members, self._own, self._again = store, members, own, again
        self._seen: dict[int, tuple[str, float, str, float]] = {}  # beat, since when, progress, since when
        self._checked = 0.0

    def check(self, waited_for: list[int], doing: str, may_pause: Container[int] = ()) -> None:
        """Check the ranks that this one waits for.

        Args:
            waited_for: their numbers.
            doing: what they wait for.
            may_pause: numbers of those of which no progress is expected.

        Raises:
            LostRankError: one of them has died, left, or made no progress for too long; it is named.
        """
        if time.monotonic() - self._checked > SUSPENDED_S:  # this process was suspended, and perhaps all of them
            self._seen.clear()
        lines = {
            rank: line for rank in waited_for if (line := self._trouble(self._members[rank], rank not in may_pause))
        }
        self._checked = time.monotonic()
        if lines:
            said = "; ".join(lines.values())
            raise LostRankError(f"{said}. All ranks stop ({doing}); {self._again}.", lines)

    def arrivals(self, rank: int) -> int:
        """Return how often a rank has come to the place where all ranks wait for each other."""
        return int((self._value(f"life/{rank}") or "0 0 0").split()[2])

    def _trouble(self, member: Member, progresses: bool) -> str:
        """Return what is wrong with a rank, or nothing."""
        if reason := self._value(f"left/{member.rank}"):
            return f"{member.name} has left: {reason}"
        if member.machine == self._own.machine and not _exists(member.process):
            return f"{member.name} has died"
        beat, _, progress = (self._value(f"life/{member.rank}") or "0 0 0").partition(" ")
        now, limit = time.monotonic(), stall_limit()
        last_beat, beat_since, last_progress, progress_since = self._seen.get(member.rank, (beat, now, progress, now))
        beat_since = beat_since if beat == last_beat else now
        progress_since = progress_since if progress == last_progress and progresses else now
        self._seen[member.rank] = beat, beat_since, progress, progress_since
        if now - beat_since > min(SILENCE_S, limit):
            return f"{member.name} has given no sign of life for {now - beat_since:,.0f} s: it has stopped, or hangs"
        if now - progress_since > limit:
            return (
                f"{member.name} has made no progress for {now - progress_since:,.0f} s (${VARIABLE} raises this limit)"
            )
        return ""

    def _value(self, key: str) -> str:
        return self._store.get(key).decode() if self._store.check([key]) else ""


def stall_limit() -> float:
    """Return the time in seconds without progress after which a rank counts as stalled.

    Raises:
        GoldievalError: the variable is not a number of seconds.
    """
    text = os.environ.get(VARIABLE, "")
    try:
        limit = float(text) if text else STALL_S
    except ValueError:
        limit = 0.0
    if not limit > 0:
        raise GoldievalError(f"${VARIABLE} should be a number of seconds, but is {text!r}.")
    return limit


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _state(process) != "Z"


def _state(process: int) -> str:
    """Return the state of a process of this machine, ``Z`` for one that has ended and was not collected yet."""
    with suppress(OSError, IndexError), open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as stat:
        return stat.read().rpartition(")")[2].split()[0]
    return ""
