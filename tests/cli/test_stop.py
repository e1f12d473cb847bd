"""Runs that SIGTERM, Slurm's SIGUSR1 or SIGKILL ends: the same command continues, and gives the same bits.

Real processes and real signals; they are forked from a server that has imported torch once.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from goldieval.core.stop import check_stop, saving_work, stoppable

STOPPED = 75
MODEL = f"{Path(__file__).parents[1] / 'support/waiting_model.py'}:load"
COMMON = {"version": 1, "protocol": "a few scenes", "title": "A few scenes", "licence": "Apache-2.0"}
CARDS: dict[str, dict[str, Any]] = {
    "retrieval": {
        "source": {"content": "retrieval", "scenes": 300, "resolution": 32},
        "headline": "t2i_r1",
        "params": {"scoring": "conditioned"},
    },
    "zeroshot": {
        "source": {"content": "zeroshot", "scenes": 300, "resolution": 32},
        "headline": "acc1",
        "params": {"prompts": ["a {c}"]},
    },
    "segmentation": {
        "source": {"content": "segmentation", "scenes": 12},
        "headline": "miou",
        "params": {"prompts": ["a {c}"], "short_side": 64, "crop": 64, "stride": 32},
    },
    "vqa": {"source": {"content": "vqa", "scenes": 40, "resolution": 32}, "headline": "accuracy"},
}
FIRST = "zeroshot"  # has its record when another task is stopped


def command(arguments: list[str], environment: dict[str, str], log: Path) -> None:
    """The program, in a process of its own."""
    from goldieval.cli import main

    stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    os.environ.update(environment)
    sys.argv = ["goldieval", *arguments]
    main()


class Run(NamedTuple):
    """A run of two tasks with a store and an output folder of its own."""

    root: Path
    family: str

    def start(self, **environment: str) -> ForkServerProcess:
        self.root.mkdir(exist_ok=True)
        names = []
        for family in (FIRST, self.family):
            card = COMMON | CARDS[family] | {"name": f"some-{family}", "family": family}
            card["source"] = {"reader": "shapes", "split": "test"} | card["source"]
            file = self.root / f"{family}.yaml"
            file.write_text(yaml.safe_dump(card))
            names.append(str(file))
        arguments = ["run", "--model", MODEL, "--tasks", ",".join(names), "--out", str(self.root / "out")]
        arguments += ["--device", "cpu", "--workers", "1", "--batch-size", "16"]
        variables = dict(os.environ) | {"GOLDIEVAL_STORE": str(self.root / "store")} | environment
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["goldieval.engine.run", "goldieval.report.console", "pyarrow.parquet"])
        process = context.Process(target=command, args=(arguments, variables, self.root / "log.txt"), daemon=True)
        process.start()
        return process

    def signalled(self, stage: str, number: int, which: signal.Signals, again: bool = False) -> int:
        """Start, send a signal at a stage, let the stage go on unless the signal comes twice; return the exit code."""
        place = self.root / f"{stage}-{which.name}"
        place.mkdir(parents=True)
        process = self.start(WAIT_AT=stage, WAIT_NUMBER=str(number), PLACE=str(place))
        end = time.monotonic() + 300
        while not (place / "there").exists() and process.is_alive() and time.monotonic() < end:
            time.sleep(0.01)
        assert process.is_alive() and process.pid, self.log
        os.kill(process.pid, which)
        if again:
            time.sleep(0.1)
            os.kill(process.pid, which)
        elif which != signal.SIGKILL and stage != "load":
            time.sleep(0.1)
            (place / "go").touch()
        process.join(300)
        assert process.exitcode is not None, "it did not end"
        return process.exitcode

    def finish(self) -> None:
        process = self.start()
        process.join(300)
        assert process.exitcode == 0, self.log

    @property
    def log(self) -> str:
        return (self.root / "log.txt").read_text()

    @property
    def records(self) -> dict[str, Any]:
        """The metrics and the bytes of the outcomes of each task that has a record."""
        from goldieval.records.results import load_results

        if not list((self.root / "out").rglob("*.json")):
            return {}
        return {
            record.task.name: (record.status, record.metrics, record.outcomes)
            for record in load_results(self.root / "out")
        }

    def outcomes(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in (self.root / "out").rglob("*.parquet")}

    def leftovers(self) -> list[Path]:
        return [file for file in self.root.rglob("*") if file.name.endswith((".goldieval-tmp", ".lock"))]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """Run two tasks without any disturbance."""

    def undisturbed(family: str) -> Run:
        run = Run(tmp_path_factory.mktemp("whole") / "run", family)
        run.finish()
        assert len(run.records) == 2 and all(status == "ok" for status, _, _ in run.records.values()), run.log
        return run

    return undisturbed


TERM, USR1, KILL = signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL


@pytest.mark.parametrize(
    ("family", "signals"),
    [
        ("retrieval", [("encode", 1, USR1, False), ("score", 1, TERM, False)]),
        ("segmentation", [("load", 0, TERM, False), ("segment", 1, USR1, False), ("segment", 2, KILL, False)]),
        ("vqa", [("answer", 0, USR1, True)]),
    ],
)
def test_a_run_that_is_stopped_continues_and_gives_the_same_bits(
    family: str, signals: list[tuple[str, int, signal.Signals, bool]], whole: Callable[[str], Run], tmp_path: Path
) -> None:
    """Stopped while the model is loaded, among the pictures, and in the second task; one signal comes twice."""
    run, expected = Run(tmp_path / "run", family), whole(family)
    for stage, number, which, again in signals:
        code = run.signalled(stage, number, which, again)
        assert code == (-KILL if which == KILL else STOPPED), run.log
        assert set(run.records) == (set() if stage in ("load", "encode") else {f"some-{FIRST}"})
        if stage == "encode":  # the chunk that was begun is stored
            assert len(list((run.root / "store").rglob("*.safetensors"))) == 1
        if which != KILL and stage in ("segment", "answer") and not again:  # and so is the picture that was begun
            assert list((run.root / "store/parts").rglob("*.safetensors"))
    assert [line for line in run.log.splitlines() if line.startswith("stopped by ")] == [
        f"stopped by {which.name}; the same command continues from here" for _, _, which, _ in signals if which != KILL
    ]
    assert "Traceback" not in run.log and "FAILED" not in run.log
    run.finish()
    assert (run.records, run.outcomes()) == (expected.records, expected.outcomes()) and not run.leftovers()
    assert not (run.root / "store/parts").exists()


def test_a_signal_to_one_rank_stops_all_and_any_number_of_ranks_continues(
    whole: Callable[[str], Run], tmp_path: Path
) -> None:
    run, place = Run(tmp_path / "run", "segmentation"), tmp_path / "place"
    place.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ranks = [
        run.start(
            **{"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"},
            **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
            **{"WAIT_AT": "segment", "WAIT_NUMBER": "1", "PLACE": str(place)},
        )
        for rank in range(2)
    ]
    end = time.monotonic() + 300
    while not (place / "there").exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert ranks[1].pid
    os.kill(ranks[1].pid, USR1)
    time.sleep(0.1)
    (place / "go").touch()
    for rank in ranks:
        rank.join(300)
    assert [rank.exitcode for rank in ranks] == [STOPPED, STOPPED], run.log
    assert run.log.count("stopped by SIGUSR1") == 1 and set(run.records) == {f"some-{FIRST}"}
    run.finish()
    expected = whole("segmentation")
    assert (run.records, run.outcomes()) == (expected.records, expected.outcomes()) and not run.leftovers()


def test_without_handlers_nothing_is_a_request() -> None:
    """As in a program that uses goldieval as a library."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)]
    with stoppable():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert before == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)]
    check_stop()
    with saving_work():
        check_stop()
