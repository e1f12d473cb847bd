"""The folder of a run: what a kill leaves, two runs at once, another recipe, full and read-only disks."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from accelerate.state import AcceleratorState
from helpers import goldieval, one_line
from tiny_recipe import RECIPE

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip import run_folder
from goldieval.goldiclip.checkpoint import load_weights
from goldieval.goldiclip.checkpoint_folder import checkpoints, latest
from goldieval.goldiclip.data.shapes import ShapesCorpus, shapes_corpus
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.run_folder import RunFolder, StepReport
from goldieval.goldiclip.tokenizer import Tokenizer
from goldieval.goldiclip.trainer import Trainer
from goldieval.report.training_evaluation import TrainingEvaluation


@pytest.fixture(autouse=True)
def fresh_accelerator() -> None:
    AcceleratorState._reset_state(reset_partial_state=True)


def recipe(**changes: Any) -> Recipe:
    return Recipe.model_validate({**RECIPE, "save_every": 2, "evaluation": {}, **changes})


@cache
def corpus() -> ShapesCorpus:
    return shapes_corpus(40, 32, Tokenizer(RECIPE["model"]["merges"], 77))


def trainer(out: Path, chosen: Recipe | None = None, resume: bool = False) -> Trainer:
    AcceleratorState._reset_state(reset_partial_state=True)
    return Trainer(chosen or recipe(), out, resume=resume, corpus=corpus())


def message(call: Callable[[], object]) -> str:
    with pytest.raises(GoldievalError) as failure:
        call()
    return one_line(str(failure.value))


class KillError(BaseException):
    """Nothing in the code handles it, as nothing handles a kill."""


def killed(report: StepReport) -> None:
    if report.step == 3:
        raise KillError


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """A run that was killed after its checkpoint of step 2."""
    with pytest.raises(KillError):
        trainer(tmp_path / "run").run(killed)
    return tmp_path / "run"


def test_what_a_kill_left_half_written_is_removed(cut: Path) -> None:
    half = cut / ".step-000004.x1y2"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half")
    assert trainer(cut, resume=True).run().name == "step-000004"
    assert not half.exists() and [path.name for path in checkpoints(cut)] == ["step-000002", "step-000004"]


def test_checkpoints_are_ordered_by_number_and_only_they_are_removed(tmp_path: Path) -> None:
    for name in ("step-999999", "step-1000000", "step-000007", "step-000007-mine", "step-old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "state.pt").touch()
    (tmp_path / "step-000003").mkdir()  # without its state, kept for its weights
    (tmp_path / "step-notes").touch()
    assert latest(tmp_path) == tmp_path / "step-1000000"
    RunFolder(tmp_path).prune(1)
    left = {"step-1000000", "step-000007-mine", "step-old", "step-000003", "step-notes"}
    assert {path.name for path in tmp_path.iterdir()} == left


def test_others_may_read_a_checkpoint(cut: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)
    for path in (cut / "step-000002", *(cut / "step-000002").iterdir()):
        assert path.stat().st_mode & 0o777 == (0o777 if path.is_dir() else 0o666) & ~mask, path


def test_a_folder_is_written_by_one_run(cut: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder, "LOCK_WAIT_S", 0.0)
    log = (cut / "log.jsonl").read_bytes()
    second = trainer(cut, resume=True)
    with RunFolder(cut).writing(3):
        assert f"another run is writing to {cut}" in message(second.run)
    assert (cut / "log.jsonl").read_bytes() == log
    assert second.run().name == "step-000004"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seed": 4}, "seed 3, not 4"),
        ({"optimiser": {**RECIPE["optimiser"], "batch_size": 4}}, "optimiser.batch_size 8, not 4"),
        ({"optimiser": {**RECIPE["optimiser"], "steps": 8}}, "optimiser.steps 4, not 8"),
        ({"objectives": {"softmax": 2.0}}, "objectives.softmax 1.0, not 2.0"),
        ({"objectives": {"sigmoid": 1.0}}, "objectives.sigmoid None, not 1.0"),
        ({"data": {**RECIPE["data"], "captions": 3}}, "data.captions 1, not 3"),
    ],
)
def test_another_recipe_is_not_gone_on_with(changes: dict[str, Any], says: str, cut: Path) -> None:
    line = message(lambda: trainer(cut, recipe(**changes), resume=True))
    assert "cannot resume" in line and "step-000002" in line and says in line


def test_data_that_have_grown_are_not_gone_on_with(cut: Path) -> None:
    grown = shapes_corpus(41, 32, Tokenizer(RECIPE["model"]["merges"], 77))
    line = message(lambda: Trainer(recipe(), cut, resume=True, corpus=grown))
    assert "was trained on 40 images, there are 41 now" in line and "--set init=" in line


def test_images_seen_are_those_of_the_whole_training(cut: Path, tmp_path: Path) -> None:
    """With those of the checkpoint that a run began with, also after a cut; that file may be gone by then."""
    before = load_weights(cut / "step-000002")[1].images_seen
    moved = cut.rename(tmp_path / "before")
    onwards = recipe(init=str(moved / "step-000002"))
    with pytest.raises(KillError):
        trainer(tmp_path / "next", onwards).run(killed)
    moved.rename(tmp_path / "gone")
    last = trainer(tmp_path / "next", onwards, resume=True).run()
    assert before == 16 and load_weights(last)[1].images_seen == 16 + 32
    lines = [json.loads(line) for line in (tmp_path / "next" / "log.jsonl").read_text().splitlines()]
    assert [line["images_seen"] for line in lines] == [24, 32, 40, 48]


def test_a_gradient_that_overflowed_is_null_in_the_log(tmp_path: Path) -> None:
    RunFolder(tmp_path).log(StepReport(1, 8, {"softmax": 1.0}, {"softmax": 1.0}, 1.0, float("inf"), 5.0, 1e-3))
    assert '"gradient_norm": null' in (tmp_path / "log.jsonl").read_text()


def test_what_changes_no_weight_may_change(cut: Path) -> None:
    changes = {"save_every": 1, "keep": 7, "title": "other", "scoring": "conditioned", "evaluation": {"every": 4}}
    resumed = trainer(cut, recipe(**changes), resume=True).run()
    whole = trainer(cut.parent / "whole").run()
    ours, theirs = (load_weights(folder)[0].state_dict() for folder in (resumed, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_an_evaluation_that_was_cut_is_made_up_for(tmp_path: Path) -> None:
    chosen = recipe(evaluation={"every": 2})
    asked: list[str] = []

    def kill(folder: Path) -> None:
        raise KillError

    with pytest.raises(KillError):
        trainer(tmp_path, chosen).run(evaluate=kill)
    trainer(tmp_path, chosen, resume=True).run(evaluate=lambda folder: asked.append(folder.name))
    assert asked == ["step-000002", "step-000004"]
    trainer(tmp_path, chosen, resume=True).run(evaluate=lambda folder: asked.append(folder.name))
    assert len(asked) == 2


@contextlib.contextmanager
def small_disk() -> Iterator[None]:
    """Files end at 20 kB: a log can be written, a checkpoint cannot. Nor can pytest's own output: no fixture."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_one_line_and_leaves_whole_checkpoints(cut: Path) -> None:
    running = trainer(cut, resume=True)
    with small_disk():
        line = message(running.run)
    assert "cannot write checkpoint" in line and "step-000004" in line and "--resume" in line
    assert sorted(path.name for path in cut.iterdir()) == [".lock", "log.jsonl", "step-000002"]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = message(trainer(tmp_path / "file" / "run").run)
    assert "cannot write to" in line and "--out" in line


class Said:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def print_line(self, line: str) -> None:
        self.lines.append(line)


def test_an_evaluation_that_cannot_be_run_does_not_end_a_training(cut: Path) -> None:
    said = Said()
    (cut / "taken").touch()
    TrainingEvaluation(recipe(evaluation={"every": 2}).evaluation, cut / "taken", said)(cut / "step-000002")
    assert len(said.lines) == 1 and said.lines[0].startswith("step-000002  evaluation failed: ")


def test_an_evaluation_that_does_not_fit_does_not_end_a_training(cut: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("out of memory\nand much more")

    said = Said()
    monkeypatch.setattr("goldieval.report.training_evaluation.evaluate", full)
    TrainingEvaluation(recipe(evaluation={"every": 2}).evaluation, cut / "taken", said)(cut / "step-000002")
    assert said.lines == ["step-000002  evaluation failed: OutOfMemoryError: out of memory"]


def test_a_task_that_there_is_not_is_said_before_training(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({**RECIPE, "evaluation": {"every": 2, "tasks": ["shapes-zeroshoot"]}}))
    ran = goldieval("train", file, "--out", tmp_path / "run")
    assert ran.code == 2 and "Did you mean shapes-zeroshot" in one_line(ran.err) and not (tmp_path / "run").exists()


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({**RECIPE, "evaluation": {}, "save_every": 2}))
    log = RunFolder.log

    def interrupted(folder: RunFolder, report: StepReport) -> None:
        log(folder, report)
        if report.step == stop:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "log", interrupted)
    stop = 1
    ran = goldieval("train", file, "--out", tmp_path / "run")
    assert ran.code == 130 and "no checkpoint yet" in one_line(ran.err)
    stop = 3
    AcceleratorState._reset_state(reset_partial_state=True)
    ran = goldieval("train", file, "--out", tmp_path / "run")
    assert ran.code == 130
    assert f"with --resume continues from {tmp_path / 'run' / 'step-000002'}" in one_line(ran.err)
    stop = 99
    AcceleratorState._reset_state(reset_partial_state=True)
    ran = goldieval("train", file, "--out", tmp_path / "run", "--resume")
    assert ran.code == 0 and "resuming from step 2" in ran.out


LAUNCHED = """
import atexit, os, pathlib, runpy, torch
still = pathlib.Path(__file__).with_name("still-together-" + os.environ["RANK"])
atexit.register(lambda: still.write_text(str(torch.distributed.is_initialized())))
runpy.run_module("goldieval", run_name="__main__")
"""


@pytest.mark.slow
def test_two_processes_on_the_cpu_are_one_run(cut: Path) -> None:
    """They speak once, share each batch, go on from a checkpoint that one process has written, and take leave."""
    file, script = cut.parent / "mine.yaml", cut.parent / "launched.py"
    file.write_text(yaml.safe_dump({**RECIPE, "save_every": 2, "evaluation": {}}))
    script.write_text(LAUNCHED)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    ran = subprocess.run(
        [*launch, "train", str(file), "--out", str(cut), "--resume"],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert ran.returncode == 0, ran.stderr
    assert [(cut.parent / f"still-together-{rank}").read_text() for rank in range(2)] == ["False", "False"]
    assert ran.stdout.count("a test") == ran.stdout.count("resuming from step 2") == 1
    assert [json.loads(line)["step"] for line in (cut / "log.jsonl").read_text().splitlines()] == [1, 2, 3, 4]
    alone = load_weights(trainer(cut.parent / "alone").run())[0].state_dict()
    both = load_weights(cut / "step-000004")[0].state_dict()
    assert all(torch.allclose(both[name], alone[name], atol=1e-4) for name in alone)
    logs = [(folder / "log.jsonl").read_text().splitlines() for folder in (cut, cut.parent / "alone")]
    for ours, theirs in zip(*logs, strict=True):  # the whole batch, not a share
        assert json.loads(ours)["losses"] == pytest.approx(json.loads(theirs)["losses"], abs=1e-3)
