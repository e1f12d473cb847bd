"""A training in TensorBoard: every step once, through an interruption, with the scores of its checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import goldieval, one_line
from tiny_recipe import RECIPE
from tiny_trainings import CutError, log_of, recipe, trainer
from tracker_files import Points, tensorboard_run

from goldieval.goldiclip.run_folder import StepReport
from goldieval.goldiclip.tracked_training import tracked
from goldieval.records.results import load_results


def train(
    out: Path, resume: bool = False, cut: int = 0, names: tuple[str, ...] = ("tensorboard",), **changes: Any
) -> None:
    """Train with trackers; after step ``cut`` the process breaks off."""
    training = trainer(out, recipe(**changes), resume)
    with tracked(training, names, lambda line: None) as log:

        def watch(report: StepReport) -> None:
            log.step(report)
            if report.step == cut:
                raise CutError

        training.run(watch)


def runs_of(out: Path) -> list[Points]:
    return [tensorboard_run(run)[0] for run in sorted((out / "trackers" / "tensorboard").iterdir())]


def test_every_step_is_logged_once_through_an_interruption(tmp_path: Path) -> None:
    """The checkpoint is that of step 3: steps 4 and 5 are done twice, and logged once."""
    with pytest.raises(CutError):
        train(tmp_path, cut=5)
    train(tmp_path, resume=True)
    (points,) = runs_of(tmp_path)
    log = log_of(tmp_path)
    for tag, values in {
        "loss/total": [row["total"] for row in log],
        "loss/softmax": [row["losses"]["softmax"] for row in log],
        "weight/softmax": [row["weights"]["softmax"] for row in log],
        "learning_rate": [row["learning_rate"] for row in log],
        "gradient_norm": [row["gradient_norm"] for row in log],
        "images_seen": [row["images_seen"] for row in log],
    }.items():
        assert points[tag] == [(step, pytest.approx(value)) for step, value in enumerate(values, start=1)], tag
    assert [step for step, _ in points["images_per_second"]] == [1, 2, 3, 4, 5, 6]
    assert log[0]["learning_rate"] == pytest.approx(recipe().optimiser.lr / 2)  # the first of two steps of warm-up


def test_a_training_that_begins_again_is_another_run(tmp_path: Path) -> None:
    """It broke off before its first checkpoint."""
    with pytest.raises(CutError):
        train(tmp_path, cut=2)
    train(tmp_path, resume=True)
    assert sorted(len(points["loss/total"]) for points in runs_of(tmp_path)) == [2, 6]


def test_trackers_leave_the_training_as_it_was(tmp_path: Path) -> None:
    train(tmp_path / "with")
    train(tmp_path / "without", names=())
    assert log_of(tmp_path / "with") == log_of(tmp_path / "without")
    assert not (tmp_path / "without" / "trackers").exists()


def test_train_logs_the_scores_of_its_checkpoints(tmp_path: Path) -> None:
    file, out = tmp_path / "mine.yaml", tmp_path / "my runs" / "first"
    file.write_text(yaml.safe_dump(RECIPE))
    ran = goldieval("train", file, "--out", out, "--log", "tensorboard")
    assert ran.code == 0, ran.err
    assert f"to look at it: tensorboard --logdir '{out}/trackers/tensorboard'" in ran.out
    (run,) = (out / "trackers" / "tensorboard").iterdir()
    points, texts = tensorboard_run(run)
    records = [record for record in load_results(out / "results") if record.task.name == "shapes-zeroshot"]
    by_step = {(record.model.images_seen or 0) // 8: record for record in records}
    assert sorted(by_step) == [2, 4]
    for name in by_step[2].metrics:
        measured = [(step, by_step[step].metrics[name]) for step in (2, 4)]
        for suffix, ends in (
            ("", [(step, metric.value) for step, metric in measured]),
            ("_low", [(step, metric.low) for step, metric in measured if metric.low is not None]),
            ("_high", [(step, metric.high) for step, metric in measured if metric.high is not None]),
        ):
            found = points.get(f"shapes-zeroshot/{name}{suffix}", [])
            assert found == [(step, pytest.approx(value, rel=1e-6)) for step, value in ends]
    told = "\n".join(texts)
    assert "| optimiser/batch_size | 8 |" in told and "| objectives/softmax | 1.0 |" in told
    assert by_step[4].model.fingerprint in told and by_step[4].task.protocol in told and by_step[4].model.notice in told
    assert not any(name.startswith("shapes-vqa") for name in points)  # it has failed, and has no scores


def test_trackers_are_opened_before_the_first_step(tmp_path: Path) -> None:
    file, out = tmp_path / "mine.yaml", tmp_path / "out"
    file.write_text(yaml.safe_dump(RECIPE))
    (out / "trackers").mkdir(parents=True)
    (out / "trackers" / "tensorboard").write_text("no folder")
    ran = goldieval("train", file, "--out", out, "--log", "tensorboard")
    assert ran.code == 2 and "log: tensorboard cannot be opened" in one_line(ran.err)
    assert not (out / "log.jsonl").exists()


def test_a_state_that_was_changed_writes_nothing_elsewhere(tmp_path: Path) -> None:
    train(tmp_path / "run")
    (state,) = (tmp_path / "run" / "trackers" / "state").glob("*.json")
    state.write_text(json.dumps({"id": "../../../../elsewhere", "last_step": 1}))
    train(tmp_path / "run", resume=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
