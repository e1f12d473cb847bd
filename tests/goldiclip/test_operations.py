"""Trainings of several processes that are stopped, killed, stalled and resumed: real processes and real signals."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from rank_commands import Rank, Ranks
from tiny_recipe import RECIPE
from training_samples import image_text_folder

from goldieval.goldiclip.checkpoint_folder import latest
from goldieval.records.results import load_results

pytestmark = pytest.mark.slow  # several trainings of two processes

STOPPED = 75
STEPS = 12
LONG = 10_000


class Training:
    """A training of two processes in a folder of its own."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        optimiser = {**RECIPE["optimiser"], "steps": STEPS, **changes.pop("optimiser", {})}
        content = {**RECIPE, "optimiser": optimiser, "evaluation": {"every": 0}, "save_every": 4, **changes}
        folder.mkdir(parents=True)
        self.folder, self.recipe, self.run, self.starts = folder, folder / "mine.yaml", folder / "run", 0
        self.recipe.write_text(yaml.safe_dump(content))

    def start(self, *arguments: str, size: int = 2, **environment: str) -> Ranks:
        self.starts += 1
        command = ["train", self.recipe, "--out", self.run, *arguments]
        variables = {"XDG_CACHE_HOME": str(self.folder / "cache"), **environment}
        return Ranks(size, command, self.folder / f"output-{self.starts}", variables)

    def until_step(self, step: int, ranks: Ranks) -> None:
        """Wait until a step is logged."""
        end = time.monotonic() + 200
        while len(self.log) < step and time.monotonic() < end and any(rank.is_alive() for rank in ranks.processes):
            time.sleep(0.02)
        assert len(self.log) >= step, ranks.end()

    @property
    def log(self) -> list[dict[str, Any]]:
        file = self.run / "log.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [json.loads(line) for line in lines]

    def bits(self) -> dict[str, bytes]:
        """The files of the last checkpoint that hold numbers."""
        newest = latest(self.run)
        assert newest is not None
        return {file.name: file.read_bytes() for file in newest.glob("*.safetensors")}


def lines_of(ranks: list[Rank]) -> list[str]:
    return [line for rank in ranks for line in rank.output.splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Training:
    """A training that nothing disturbs."""
    training = Training(tmp_path_factory.mktemp("whole") / "it")
    assert [rank.code for rank in training.start().end()] == [0, 0]
    return training


def test_a_signal_to_one_rank_saves_on_all_and_the_rest_of_the_training_is_the_same(
    whole: Training, tmp_path: Path
) -> None:
    training = Training(tmp_path / "it", optimiser={"steps": STEPS})
    for step, rank, number in ((1, 1, signal.SIGUSR1), (6, 0, signal.SIGTERM)):
        ranks = training.start("--resume", "auto")
        training.until_step(step, ranks)
        ranks.kill(rank, number)
        ended = ranks.end()
        assert [each.code for each in ended] == [STOPPED, STOPPED], ended
        newest = latest(training.run)
        assert newest is not None and newest.name == f"step-{len(training.log):06d}"
        said = [line for line in lines_of(ended) if "stopped" in line]
        assert said == [f"stopped by {number.name}; the same command continues from {newest}"]
    assert [rank.code for rank in training.start("--resume", "auto").end()] == [0, 0]
    assert [row["step"] for row in training.log] == list(range(1, STEPS + 1))
    assert training.bits() == whole.bits()
    assert [row["total"] for row in training.log] == [row["total"] for row in whole.log]


@pytest.mark.parametrize("killed", [0, 1])
def test_a_rank_that_is_killed_is_named_and_the_others_end(killed: int, whole: Training, tmp_path: Path) -> None:
    training = Training(tmp_path / "it", optimiser={"steps": LONG})
    ranks = training.start()
    training.until_step(5, ranks)
    begun = time.monotonic()
    ranks.kill(killed)
    ended = ranks.end()
    assert time.monotonic() - begun < 90
    assert ended[killed].code == -signal.SIGKILL and ended[1 - killed].code == 2, ended
    (line,) = [line for line in lines_of(ended) if "error: " in line]
    process = ranks.processes[killed].pid
    assert f"process {process})" in line and f"rank {killed} (" in line and ("has died" in line or "has ended" in line)


def test_a_rank_that_is_stopped_is_named_within_the_limit(tmp_path: Path) -> None:
    training = Training(tmp_path / "it", optimiser={"steps": LONG})
    ranks = training.start(GOLDIEVAL_RANK_TIMEOUT="8")
    training.until_step(2, ranks)
    ranks.kill(1, signal.SIGSTOP)
    begun = time.monotonic()
    while ranks.processes[0].is_alive() and time.monotonic() - begun < 120:
        time.sleep(0.1)
    ranks.kill(1, signal.SIGKILL)
    ended = ranks.end()
    assert ended[0].code == 2
    (line,) = [line for line in lines_of(ended) if "error: " in line]
    assert "rank 1 (" in line and f"process {ranks.processes[1].pid})" in line and "no sign of life" in line


def test_an_error_of_one_rank_is_the_error_of_all(tmp_path: Path) -> None:
    """One picture is broken, which one of the ranks reads."""
    data = image_text_folder(tmp_path / "data", 16)
    (tmp_path / "data/pictures/5.jpg").write_bytes(b"not a picture")
    training = Training(
        tmp_path / "it",
        data={"source": "jsonl", "path": str(data), "captions": 1, "workers": 0},
        optimiser={"steps": LONG},
    )
    ended = training.start("--max-bad-samples", "0").end()
    assert [rank.code for rank in ended] == [2, 2], ended
    (line,) = [line for line in lines_of(ended) if "error: " in line]
    assert "1 bad sample (1 unreadable picture)" in line and "train.jsonl:6" in line, line


def test_an_evaluation_on_schedule_is_shared_and_leaves_the_training_as_it_was(whole: Training, tmp_path: Path) -> None:
    """A task that does not apply fails on all ranks, and only rank 0 prints."""
    training = Training(tmp_path / "it", evaluation={**RECIPE["evaluation"], "every": STEPS // 2})
    ended = training.start().end()
    assert [rank.code for rank in ended] == [0, 0], ended
    assert ended[1].output == ""
    lines = [line.split("  ")[:2] for line in ended[0].output.splitlines() if line.startswith("step-")]
    assert lines == [[f"step-{step:06d}", task] for step in (6, 12) for task in ("shapes-zeroshot", "shapes-vqa")]
    records = [record for record in load_results(training.run / "results") if record.status == "ok"]
    assert sorted(record.model.images_seen or 0 for record in records) == [48, 96]
    assert {record.run.processes for record in records} == {2}
    assert training.bits() == whole.bits()
