"""Ranks that watch each other: the first trouble of any of them ends all, for the same reason."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from torch._C._distributed_c10d import HashStore

from goldieval.core.errors import GoldievalError, InterruptedRunError, LostRankError, StoppedRunError
from goldieval.core.processes import liveness, supervision
from goldieval.core.processes.liveness import Member
from goldieval.core.processes.supervision import Supervision

SIZE = 3


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (liveness, supervision):
        monkeypatch.setattr(module, "BEAT_S", 0.05)
    monkeypatch.setattr(supervision, "LOOK_S", 0.02)
    monkeypatch.setattr(supervision, "FAREWELL_S", 1.0)
    monkeypatch.setenv(liveness.VARIABLE, "1")


def outcomes(work: Callable[[Supervision, threading.Barrier], Any], **options: Any) -> list[Any]:
    """Return what ``work`` returns or raises on each rank; a barrier stands for a collective operation."""
    store, barrier = HashStore(), threading.Barrier(SIZE)
    members = [Member(rank, f"host{rank}", "here", os.getpid()) for rank in range(SIZE)]
    results: list[Any] = [None] * SIZE

    def run(rank: int) -> None:
        watching = Supervision(store, members, rank, **options)
        try:
            with watching.told():
                results[rank] = work(watching, barrier)
        except BaseException as error:
            results[rank] = error
        watching.leave()

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(SIZE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a rank hangs"
    return results


def test_calls_that_all_ranks_make_return() -> None:
    def work(watching: Supervision, barrier: threading.Barrier) -> int:
        for _ in range(3):
            watching.waited(lambda: barrier.wait(20))
        return watching.rank

    assert outcomes(work) == [0, 1, 2]


@pytest.mark.parametrize("failing", [0, 2])
@pytest.mark.parametrize("kind", [GoldievalError, StoppedRunError, ZeroDivisionError])
def test_an_error_of_one_rank_ends_the_others_where_they_wait(failing: int, kind: type[Exception]) -> None:
    def work(watching: Supervision, barrier: threading.Barrier) -> None:
        if watching.rank == failing:
            raise kind("the disk is full")
        watching.waited(lambda: barrier.wait(50))

    results = outcomes(work)
    assert type(results[failing]) is kind
    for rank in {0, 1, 2} - {failing}:
        line, expected = str(results[rank]), GoldievalError if kind is ZeroDivisionError else kind
        assert type(results[rank]) is expected and line.endswith("the disk is full")
        assert (f"rank {failing} (host{failing}, process" in line) == (kind is not StoppedRunError)


def test_an_interruption_of_one_rank_is_one_of_all() -> None:
    def work(watching: Supervision, barrier: threading.Barrier) -> None:
        if watching.rank == 1:
            raise KeyboardInterrupt
        watching.waited(lambda: barrier.wait(50))

    results = outcomes(work)
    assert [type(each) for each in results] == [InterruptedRunError, KeyboardInterrupt, InterruptedRunError]


def test_the_first_of_two_errors_is_the_reason_for_the_third_rank() -> None:
    def work(watching: Supervision, barrier: threading.Barrier) -> None:
        if watching.rank == 1:
            raise GoldievalError("first")
        if watching.rank == 2:
            time.sleep(0.5)
            raise GoldievalError("second")
        watching.waited(lambda: barrier.wait(50))

    results = outcomes(work)
    assert str(results[0]).endswith(": first") and str(results[2]) == "second"


@pytest.mark.parametrize("late", [0, 2])
def test_a_rank_that_is_late_is_named_and_one_that_makes_progress_is_not(late: int) -> None:
    ended = threading.Event()

    def work(watching: Supervision, barrier: threading.Barrier) -> float:
        begun = time.monotonic()
        try:
            if watching.rank == late:
                while time.monotonic() - begun < 2.5:  # longer than the limit, but with progress
                    time.sleep(0.1)
                    watching.progressed()
                ended.wait(30)
                for _ in range(500):
                    watching.check()
                    time.sleep(0.01)
            watching.waited(lambda: barrier.wait(50))
        except LostRankError as error:
            assert f"rank {late} (host{late}, process" in str(error) and "no progress" in str(error)
            assert error.ranks == {late}
            ended.set()
            return time.monotonic() - begun
        raise AssertionError("no error")

    results = outcomes(work)
    assert all(isinstance(each, float) and each > 3 for each in results), results


def test_work_that_no_rank_ends_is_reported_with_the_place_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    places = iter(["a.py:1, all_gather", "b.py:7, read", "a.py:1, all_gather"])
    by_thread = {}
    lock = threading.Lock()

    def place(thread: threading.Thread) -> str:
        with lock:
            return by_thread.setdefault(threading.current_thread().name, next(places, "a.py:1, all_gather"))

    monkeypatch.setattr(supervision, "place_in_code", place)

    def work(watching: Supervision, barrier: threading.Barrier) -> None:
        with watching.working("step 12"):
            for _ in range(2_000):
                time.sleep(0.01)
                watching.check()

    for error in outcomes(work):
        assert isinstance(error, LostRankError) and "step 12 has not ended for 1 s" in str(error)
        assert " at a.py:1, all_gather" in str(error)
        assert str(error).endswith("All ranks stop; --resume continues from the newest checkpoint.")


def test_a_process_whose_main_thread_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "GRACE_S", 0.2)
    ends: list[str] = []
    both = threading.Event()

    def end(error: GoldievalError) -> None:
        ends.append(str(error))
        if len(ends) == 2:
            both.set()

    def work(watching: Supervision, barrier: threading.Barrier) -> None:
        if watching.rank == 1:
            raise GoldievalError("the disk is full")
        both.wait(30)  # as compiled code does, which looks at nothing

    outcomes(work, end=end)
    assert len(ends) == 2 and all(line.endswith("the disk is full") for line in ends)
