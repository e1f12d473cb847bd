"""Ranks that exchange values: they succeed together, fail together, and never wait for one that is gone."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from rank_threads import run_ranks

from goldieval.core.containment import contained
from goldieval.core.errors import GoldievalError, LostRankError, NotApplicableError, StoppedRunError, TaskError
from goldieval.core.processes import liveness
from goldieval.core.processes.failures import is_known_to_all
from goldieval.core.processes.group import Processes

SIZES = [1, 2, 3, 5]


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "BEAT_S", 0.05)
    monkeypatch.setattr("goldieval.core.processes.group.BEAT_S", 0.05)


@pytest.mark.parametrize("size", SIZES)
def test_values_arrive_in_the_order_of_ranks(size: int) -> None:
    def work(group: Processes) -> tuple[Any, ...]:
        time.sleep(0.01 * (size - group.rank))  # later ranks come first
        return group.all_gather(group.rank), group.gather(group.rank * 2), group.broadcast(group.rank + 7)

    ranks = list(range(size))
    expected = [(ranks, [2 * rank for rank in ranks] if rank == 0 else None, 7) for rank in ranks]
    assert run_ranks(size, work) == expected


@pytest.mark.parametrize("kind", [TaskError, NotApplicableError, GoldievalError, StoppedRunError])
@pytest.mark.parametrize("failing", [0, 2])
def test_a_failure_of_one_rank_is_the_same_failure_on_all_and_the_next_work_goes_on(
    kind: type[GoldievalError], failing: int
) -> None:
    def work(group: Processes) -> tuple[type, str, list[int]]:
        try:
            with group.together("reading coco"):
                if group.rank == failing:
                    raise kind("there is no file x.jpg")
                group.all_gather(group.rank)
                group.all_gather(group.rank)
        except GoldievalError as error:
            return type(error), str(error), group.all_gather(group.rank)
        raise AssertionError("no error")

    results = run_ranks(3, work)
    assert [kind_ for kind_, _, _ in results] == [kind] * 3
    assert [all_ for _, _, all_ in results] == [[0, 1, 2]] * 3
    for rank, (_, line, _) in enumerate(results):
        named = rank == failing or kind is StoppedRunError
        assert line.endswith("there is no file x.jpg") and line.startswith(
            "" if named else f"rank {failing} (host{failing}, "
        )


def test_a_failure_of_all_ranks_is_each_one_s_own() -> None:
    def work(group: Processes) -> None:
        with group.together("loading"):
            raise TaskError(f"no file on {group.rank}")

    assert [str(error) for error in run_ranks(3, work)] == ["no file on 0", "no file on 1", "no file on 2"]


def test_an_error_that_was_told_inside_is_not_told_again_outside() -> None:
    def work(group: Processes) -> list[int]:
        with pytest.raises(TaskError) as caught, group.told(), contained("scoring"), group.together("scoring"):
            if group.rank == 1:
                raise ZeroDivisionError("by zero")
        assert is_known_to_all(caught.value)
        return group.all_gather(group.rank)

    assert run_ranks(3, work) == [[0, 1, 2]] * 3


def test_an_error_after_the_last_exchange_of_the_others_meets_their_next_one() -> None:
    def work(group: Processes) -> str:
        try:
            with group.told():
                group.all_gather(0)
                if group.rank == 0:
                    raise GoldievalError("the disk is full")
                group.broadcast(1)
        except GoldievalError as error:
            return str(error)
        return ""

    lines = run_ranks(3, work)
    assert lines[0] == "the disk is full" and all(line.endswith(": the disk is full") for line in lines[1:])


def test_ranks_that_differ_are_both_named_with_their_values() -> None:
    def work(group: Processes) -> None:
        group.check_same("versions", {"torch": "2.8" if group.rank < 2 else "2.9", "python": "3.11"})

    for error in run_ranks(3, work):
        assert isinstance(error, GoldievalError) and is_known_to_all(error)
        for part in ("versions differ: rank 0 (host0", "has torch 2.8", "rank 2 (host2", "has 2.9"):
            assert part in str(error)


def test_a_rank_that_leaves_is_named() -> None:
    def work(group: Processes) -> None:
        if group.rank == 1:
            raise KeyboardInterrupt("Ctrl-C")
        group.all_gather(0)

    errors = run_ranks(3, work)
    for error in (errors[0], errors[2]):
        assert isinstance(error, LostRankError) and error.ranks == {1}
        assert "rank 1 (host1" in str(error) and "has left: Ctrl-C" in str(error)


def test_a_process_of_this_machine_that_died_is_named_at_once() -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()

    def work(group: Processes) -> None:
        if group.rank == 1:
            return
        group.members[1] = liveness.Member(1, "host1", "here", dead.pid)
        group.all_gather(0)

    first, _, third = run_ranks(3, work)
    for error in (first, third):
        assert isinstance(error, LostRankError) and "rank 1 (host1" in str(error) and "has died" in str(error)


def test_a_rank_without_progress_is_named_and_progress_keeps_it_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(liveness.VARIABLE, "0.5")
    may_end = threading.Event()

    def work(group: Processes) -> float:
        start = time.monotonic()
        try:
            if group.rank == 1:
                for _ in range(15):  # busy for 1.5 s: longer than the limit, but with progress
                    time.sleep(0.1)
                    group.progressed()
                may_end.wait(20)  # then it hangs
            group.all_gather(0)
        except LostRankError as error:
            may_end.set()
            assert "rank 1 (host1" in str(error) and "no progress" in str(error)
        return time.monotonic() - start

    waited = run_ranks(2, work)[0]
    assert 1.5 < waited < 10


def test_a_process_of_another_machine_without_signs_of_life_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "SILENCE_S", 0.4)

    def work(group: Processes) -> None:
        if group.rank == 1:
            group._heartbeat.stop()
            time.sleep(3)
            return
        group.members[1] = liveness.Member(1, "host1", "elsewhere", 1)
        group.all_gather(0)

    error = run_ranks(2, work)[0]
    assert isinstance(error, LostRankError) and "no sign of life" in str(error)


@pytest.mark.parametrize("text", ["x", "-1", "0", "nan"])
def test_a_wrong_time_limit_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(liveness.VARIABLE, text)
    with pytest.raises(GoldievalError, match=liveness.VARIABLE):
        liveness.stall_limit()
