"""Ranks that compute together for hours: each shows that it lives, watches the others, and ends when one of them does.

The first trouble of any rank, its own error or the loss of another, is written to the store of the process group once:
it is the verdict, for which all ranks end. A thread looks for it, because the main thread may wait for ever in a
collective operation whose partner is gone.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypeVar

from goldieval.core.errors import GoldievalError, InterruptedRunError, LostRankError, first_line
from goldieval.core.processes.background import result_of, started
from goldieval.core.processes.failures import Failure, failure_of, is_known_to_all, known_to_all
from goldieval.core.processes.liveness import BEAT_S, SILENCE_S, VARIABLE, Heartbeat, Member, Watch, stall_limit
from goldieval.core.processes.places_in_code import place_in_code, places_line

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

T = TypeVar("T")
AGAIN = "--resume continues from the newest checkpoint"
VERDICT = "verdict"
LOOK_S = 0.5
GRACE_S = 20.0  # for the main thread, to end by itself
FAREWELL_S = 10.0


@dataclass(frozen=True)
class Verdict:
    """Why all ranks end.

    Attributes:
        reason: the message, or that of the rank which failed.
        kind: type of that rank's error; empty where ranks were lost.
        ranks: the ranks that were lost, or the one that failed.
    """

    reason: str
    kind: str
    ranks: tuple[int, ...]

    def error(self, members: list[Member]) -> GoldievalError:
        """Return the error for a rank that has not failed itself."""
        if self.kind:
            return Failure(self.kind, self.reason).error(members[self.ranks[0]].name)
        return LostRankError(self.reason, self.ranks)


class Supervision:
    """One rank among others.

    Attributes:
        rank: number of this process.
        members: all ranks, by number.
    """

    def __init__(
        self, store: Store, members: list[Member], rank: int, end: Callable[[GoldievalError], None] | None = None
    ) -> None:
        """Begin to show signs of life, and to watch the others.

        Args:
            store: store of this group alone, over a connection of its own: others may block theirs.
            members: all ranks, by number.
            rank: number of this process.
            end: ends this process where its main thread does not; by default nothing does.
        """
        self.rank, self.members = rank, members
        self._store, self._end = store, end
        self._heartbeat, self._watch = Heartbeat(store, rank), Watch(store, members, members[rank], AGAIN)
        self._arrivals = 0
        self._working = ("", 0.0)  # on what, which all ranks do together, and since when
        self._trouble: GoldievalError | None = None
        self._store_answers = True
        self._left = threading.Event()
        threading.Thread(target=self._look_until_left, name="goldieval-supervision", daemon=True).start()

    def waited(self, call: Callable[[], T]) -> T:
        """Make a call that waits for the other ranks; this rank has done its work before.

        Raises:
            GoldievalError: another rank failed, died, or makes no progress.
        """
        self._arrivals += 1
        self._heartbeat.arrived()
        future = started(call)
        try:
            return result_of(future, LOOK_S, self.check)
        except GoldievalError:
            raise
        except Exception as error:
            raise self._explained(error) from error

    def progressed(self) -> None:
        """Count some work of this rank as done, for which the others wait."""
        self._heartbeat.progressed()

    def check(self) -> None:
        """Raise the error for which all ranks end, if there is one."""
        if self._trouble is not None:
            raise self._trouble

    @contextmanager
    def working(self, doing: str) -> Iterator[None]:
        """Mark work that no rank ends without the others, such as a step: if it takes too long, all ranks stop.

        Args:
            doing: what is done, for messages.
        """
        self._working = (doing, time.monotonic())
        try:
            yield
        finally:
            self._working = ("", 0.0)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tell the others of an error inside, which then end for it; raise theirs if it was the first."""
        try:
            yield
        except BaseException as error:
            if is_known_to_all(error) or isinstance(error, LostRankError):
                raise
            if _is_of_communication(error):
                raise self._explained(error) from error
            failure = failure_of(InterruptedRunError("interrupted") if isinstance(error, KeyboardInterrupt) else error)
            self._published(Verdict(failure.reason, failure.kind, (self.rank,)))
            if self._store_answers:
                known_to_all(error)
            raise

    def leave(self) -> None:
        """End the signs of life. Rank 0, whose process may keep the store, stays until the others have read it."""
        self._left.set()
        if not self._store_answers:
            return
        self._heartbeat.stop()
        with suppress(Exception):  # the store has ended
            self._store.set(f"gone/{self.rank}", "gone")
            lost = set(getattr(self._trouble, "ranks", ()))
            others = [f"gone/{member.rank}" for member in self.members if member.rank not in lost]
            end = time.monotonic() + FAREWELL_S
            while self.rank == 0 and not self._store.check(others) and time.monotonic() < end:
                time.sleep(0.05)

    def _look_until_left(self) -> None:
        while self._trouble is None and not self._left.wait(BEAT_S):
            self._trouble = self._found()
        if self._trouble is not None and not self._left.wait(GRACE_S) and self._end is not None:
            self._end(self._trouble)

    def _found(self) -> GoldievalError | None:
        """Return the error for which all ranks end, if there is one; the store itself may be gone, or not answer."""
        look = started(self._look)
        limit = min(SILENCE_S, stall_limit()) + 3 * BEAT_S
        if not wait([look], limit).done:
            self._store_answers = False
            return self._store_lost(f"no answer for {limit:,.0f} s")
        try:
            return look.result()
        except LostRankError as error:
            return self._published(Verdict(str(error), "", tuple(error.ranks)))
        except Exception as error:
            self._store_answers = False
            return self._store_lost(first_line(error))

    def _look(self) -> GoldievalError | None:
        """Look for a verdict, and at the other ranks: rank 0 at all, the others at rank 0."""
        if self._store.check([VERDICT]):
            return self._first_verdict()
        watched = [0] if self.rank else list(range(1, len(self.members)))
        behind = {rank for rank in watched if self._watch.arrivals(rank) < self._arrivals}
        self._watch.check(watched, "training", may_pause=set(watched) - behind)
        doing, since = self._working
        if doing and time.monotonic() - since > stall_limit():
            self._report_stalled_work(doing, time.monotonic() - since)
        return None

    def _report_stalled_work(self, doing: str, seconds: float) -> None:
        """Say where in the code this rank is; rank 0 compares all, since none of them waits for one alone."""
        self._store.set(f"place/{self.rank}", place_in_code(threading.main_thread()))
        if self.rank:
            return
        time.sleep(2 * BEAT_S)
        keys = [f"place/{member.rank}" for member in self.members]
        places = [self._store.get(key).decode() if self._store.check([key]) else "" for key in keys]
        said, ranks = places_line(places, [member.name for member in self.members])
        raise LostRankError(
            f"{doing} has not ended for {seconds:,.0f} s (${VARIABLE} raises this limit): {said}. All ranks stop; "
            f"{AGAIN}.",
            ranks,
        )

    def _published(self, verdict: Verdict) -> GoldievalError:
        """Write a verdict unless there is one, and return the error of the one that is there."""
        if self._store_answers:
            with suppress(Exception):  # the store has ended with rank 0
                self._store.compare_set(VERDICT, "", json.dumps(asdict(verdict)))
                return self._first_verdict()
        return verdict.error(self.members)

    def _first_verdict(self) -> GoldievalError:
        content = json.loads(self._store.get(VERDICT))
        return Verdict(content["reason"], content["kind"], tuple(content["ranks"])).error(self.members)

    def _explained(self, error: BaseException) -> GoldievalError:
        """Return why a collective operation failed: wait until some rank has found out."""
        end = time.monotonic() + min(SILENCE_S, stall_limit()) + 3 * BEAT_S
        while self._trouble is None and time.monotonic() < end:
            time.sleep(0.05)
        line = f"rank {self.rank} cannot reach the other ranks: {first_line(error)}"
        return self._trouble or self._published(Verdict(line, "", ()))

    def _store_lost(self, reason: str) -> LostRankError:
        lost = f"{self.members[0].name} or its launcher has ended ({reason})"
        return LostRankError(f"{lost}. All ranks stop; {AGAIN}.", [0])


def _is_of_communication(error: BaseException) -> bool:
    """Return whether an error may come from the end of another rank: gloo and NCCL have types, or only texts."""
    import torch.distributed as dist

    texts = ("gloo", "nccl", "connection closed", "connection reset", "broken pipe", "c10d")
    is_text = isinstance(error, RuntimeError) and any(text in str(error).lower() for text in texts)
    return isinstance(error, dist.DistError) or is_text
