"""Trackers: what they write is read back, and none of them stops a run."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tracker_files import tensorboard_run, wandb_run

from goldieval.tracking import backends
from goldieval.tracking.backend import TrackedRun
from goldieval.tracking.trackers import TrackerError, Trackers

INSTALL = "uv run --with mlflow-skinny --with trackio pytest tests/tracking"


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("MLFLOW_TRACKING_URI", "TRACKIO_DIR", "WANDB_PROJECT", "WANDB_DIR", "TRACKIO_SPACE_ID"):
        monkeypatch.delenv(name, raising=False)


def opened(folder: Path, *names: str, continues: bool = False, notes: list[str] | None = None) -> Trackers:
    return Trackers(
        names,
        run="my run",
        folder=folder,
        config={"model": "a|b", "protocol/mine": "all\nof it", "seed": 3},
        axis="step",
        continues=lambda last: continues,
        note=(notes if notes is not None else []).append,
    )


def test_tensorboard_files_hold_numbers_and_configuration(tmp_path: Path) -> None:
    notes: list[str] = []
    with opened(tmp_path, "tensorboard", notes=notes) as trackers:
        trackers.log({"mine/acc1": 0.5, "mine/acc1_low": 0.25, "norm": math.inf}, 10)
        trackers.describe({"checkpoint": "f" * 64}, 10)
    assert notes == [f"logging to tensorboard; to look at it: tensorboard --logdir {tmp_path}/tensorboard"]
    (run,) = (tmp_path / "tensorboard").iterdir()
    scalars, texts = tensorboard_run(run)
    assert scalars == {"mine/acc1": [(10, 0.5)], "mine/acc1_low": [(10, 0.25)]}
    assert "| model | a\\|b |" in texts[0] and "| protocol/mine | all\\nof it |" in texts[0] and "f" * 64 in texts[1]


def test_wandb_offline_files_hold_numbers_and_configuration(tmp_path: Path) -> None:
    notes: list[str] = []
    with opened(tmp_path, "wandb", notes=notes) as trackers:
        trackers.log({"mine/acc1": 0.5, "norm": math.nan}, 10)
        trackers.log({"mine/acc1": 0.75}, 20)
        trackers.describe({"checkpoint": "f" * 64}, 20)
    (run,) = (tmp_path / "wandb").glob("offline-run-*")
    assert notes == [f"logging to wandb; to look at it: wandb sync {run}"]
    points, config = wandb_run(run)
    assert points["mine/acc1"] == [(10, 0.5), (20, 0.75)] and points["step"] == [(10, 10), (20, 20)]
    assert set(points) == {"mine/acc1", "step", "_step", "_timestamp", "_runtime"}
    expected = {"model": "a|b", "protocol/mine": "all\nof it", "seed": 3, "checkpoint/20": "f" * 64}
    assert {key: value for key, value in config.items() if key != "_wandb"} == expected


def test_a_wandb_run_of_the_caller_stays_open(tmp_path: Path) -> None:
    import wandb

    mine = wandb.init(project="mine", dir=str(tmp_path), config={"model": "mine"}, settings={"silent": True})
    mine.log({"loss": 1.0})
    with opened(tmp_path, "wandb") as trackers:
        trackers.log({"mine/acc1": 0.5}, 5_000)
    assert wandb.run is mine
    mine.log({"loss": 0.5})
    mine.finish()
    (run,) = (tmp_path / "wandb").glob("offline-run-*")
    points, config = wandb_run(run)
    assert points["loss"] == [(0, 1.0), (2, 0.5)] and points["mine/acc1"] == [(1, 0.5)]
    assert config["model"] == "mine" and config["goldieval/model"] == "a|b"


def test_a_run_is_continued_without_repeating_steps(tmp_path: Path) -> None:
    for continues, steps in ((False, (1, 2, 3)), (True, (2, 3, 4))):
        with opened(tmp_path, "tensorboard", "wandb", continues=continues) as trackers:
            for step in steps:
                trackers.log({"loss": step / 8}, step, repeated=True)
    expected = [(step, step / 8) for step in (1, 2, 3, 4)]
    (run,) = (tmp_path / "tensorboard").iterdir()
    assert tensorboard_run(run)[0]["loss"] == expected
    runs = sorted((tmp_path / "wandb").glob("offline-run-*"), key=lambda run: run.stat().st_mtime)
    assert len({run.name.partition("-my-run-")[2][:8] for run in runs}) == 1
    assert [point for run in runs for point in wandb_run(run)[0]["loss"]] == expected


def test_a_new_run_has_files_of_its_own(tmp_path: Path) -> None:
    for _ in range(2):
        with opened(tmp_path, "tensorboard") as trackers:
            trackers.log({"loss": 1.0}, 1, repeated=True)
    runs = list((tmp_path / "tensorboard").iterdir())
    assert [tensorboard_run(run)[0] for run in runs] == [{"loss": [(1, 1.0)]}] * 2


class Failing:
    """A tracker that logs one step, and then fails."""

    id = view = "failing"
    logged: list[int] = []

    def __init__(self, run: TrackedRun) -> None:
        self.logged.clear()

    def log(self, values: Mapping[str, float], step: int) -> None:
        if self.logged:
            raise SystemExit("the server\x1b[31m is gone\nfor good")
        self.logged.append(step)

    def describe(self, texts: Mapping[str, str], step: int) -> None:
        raise AssertionError("it is called although it has failed")

    close = describe  # type: ignore[assignment]


def test_a_tracker_that_fails_costs_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(backends.BACKENDS, "wandb", Failing)  # type: ignore[arg-type]
    notes: list[str] = []
    with opened(tmp_path, "wandb", "tensorboard", notes=notes) as trackers:
        for step in (1, 2, 3):
            trackers.log({"loss": 1.0}, step)
        trackers.describe({"a": "b"}, 3)
    assert Failing.logged == [1]
    assert len(notes) == 3 and notes[2].startswith("warning: wandb has failed and gets nothing more: SystemExit")
    (run,) = (tmp_path / "tensorboard").iterdir()
    assert tensorboard_run(run)[0]["loss"] == [(1, 1.0), (2, 1.0), (3, 1.0)]


def test_a_tracker_that_cannot_be_opened_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").write_text("a file where the folder belongs")
    with pytest.raises(TrackerError) as failure:
        opened(tmp_path, "tensorboard")
    assert str(failure.value).startswith("log: tensorboard cannot be opened: ") and "\n" not in str(failure.value)


def test_mlflow_files_hold_numbers_and_configuration(tmp_path: Path) -> None:
    mlflow: Any = pytest.importorskip("mlflow", reason=f"mlflow is not installed: {INSTALL}")
    for continues in (False, True):
        with opened(tmp_path, "mlflow", continues=continues) as trackers:
            for step in (1, 2) if not continues else (2, 3):
                trackers.log({"mine/acc1": step / 8, "mine/acc1_low": 0.0}, step, repeated=True)
                trackers.describe({"checkpoint": f"f{step}"}, step)
    assert not mlflow.is_tracking_uri_set() and mlflow.active_run() is None
    client = mlflow.MlflowClient((tmp_path / "mlflow").as_uri())
    (experiment,) = client.search_experiments(filter_string="name = 'goldieval'")
    (run,) = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(run.info.run_id, "mine/acc1")
    assert [(point.step, point.value) for point in history] == [(1, 0.125), (2, 0.25), (3, 0.375)]
    assert run.data.params == {"model": "a|b", "protocol/mine": "all\nof it", "seed": "3"}
    assert run.data.tags["goldieval/checkpoint/3"] == "f3" and run.info.run_name == "my run"


def test_trackio_files_hold_numbers_and_configuration(tmp_path: Path) -> None:
    if not find_spec("trackio"):  # it must not be imported here: it reads its folder when it is
        pytest.skip(f"trackio is not installed: {INSTALL}")
    for continues in (False, True):
        with opened(tmp_path, "trackio", continues=continues) as trackers:
            for step in (1, 2) if not continues else (2, 3):
                trackers.log({"mine/acc1": step / 8}, step, repeated=True)
    with closing(sqlite3.connect(tmp_path / "trackio" / "goldieval.db")) as database:
        rows = [(step, json.loads(row)) for step, row in database.execute("select step, metrics from metrics")]
        configs = [json.loads(row) for (row,) in database.execute("select config from configs")]
    assert rows == [(step, {"mine/acc1": step / 8}) for step in (1, 2, 3)]
    assert len(configs) == 1 and configs[0]["model"] == "a|b" and configs[0]["seed"] == 3
