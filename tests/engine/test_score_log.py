"""Scores in trackers: checkpoints of one training are one curve."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import TOY_MODEL, class_folders, goldieval, one_line, toy_model
from helpers import card as write_card
from tracker_files import tensorboard_run, wandb_run

import goldieval as library
from goldieval.tracking.scores import scores_of

# A model whose training is known from its name: NAME-SEEN, such as ``toy-100``.
TRAINED = TOY_MODEL.replace('ModelInfo("toy",', "ModelInfo(SPEC,").replace(
    "image_identity=", "images_seen=SEEN, image_identity="
)


@pytest.fixture
def card(tmp_path: Path) -> Path:
    class_folders(tmp_path / "mine" / "data", {"cat": 3, "dog": 4})
    return write_card(tmp_path / "mine")


def trained(name: str, seen: int | None) -> object:
    """Return a toy adapter of that spec."""
    names: dict[str, object] = {"SPEC": name, "SEEN": seen}
    exec(TRAINED, names)
    return names["Toy"]()  # type: ignore[operator]


def tensorboard_points(out: Path, tag: str = "mine/acc1") -> dict[str, list[int]]:
    runs = (out / "trackers" / "tensorboard").iterdir()
    return {run.name.rpartition("-")[0]: [step for step, _ in tensorboard_run(run)[0][tag]] for run in runs}


def test_checkpoints_of_one_training_are_one_curve(card: Path, tmp_path: Path) -> None:
    models = [trained(f"toy@run/step-00{n}", 8 * n) for n in (1, 2, 3)]
    results = library.evaluate([*models, trained("other", None)], card, out=tmp_path, log="tensorboard")  # type: ignore[list-item]
    assert tensorboard_points(tmp_path) == {"toy-run-step": [8, 16, 24], "other": [0]}
    run = next((tmp_path / "trackers" / "tensorboard").glob("toy-run-step-*"))
    points, texts = tensorboard_run(run)
    expected = scores_of([results[0]])
    assert {tag: values[0] for tag, values in points.items()} == {
        name: (8, pytest.approx(value)) for name, value in expected.items()
    }
    assert {"mine/acc1", "mine/acc1_low", "mine/acc1_high"} <= set(points)
    told = "\n".join(texts)
    assert "| protocol/mine | all; global scoring |" in told and "| model | toy@run/step-* |" in told
    assert all(f"toy@run/step-00{n} {'0' * 64}" in told for n in (1, 2, 3))


def test_a_later_call_continues_the_curve_and_a_repeated_one_begins_another(card: Path, tmp_path: Path) -> None:
    """As in a training loop, or with checkpoints that appear one after the other."""
    for epoch in (1, 2, 2):
        library.evaluate(trained(f"toy@epoch_{epoch}.pt", None), card, out=tmp_path, log=["tensorboard"])  # type: ignore[arg-type]
    runs = (tmp_path / "trackers" / "tensorboard").iterdir()
    assert sorted([step for step, _ in tensorboard_run(run)[0]["mine/acc1"]] for run in runs) == [[1, 2], [2]]


def test_run_logs_to_wandb_offline(card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    ran = goldieval(
        *("run", "--model", toy_model(tmp_path), "--tasks", card, "--out", tmp_path / "out", "--log", "wandb", "--json")
    )
    assert ran.code == 0, ran.err
    (record,) = json.loads(ran.out)
    (run,) = (tmp_path / "out" / "trackers" / "wandb").glob("offline-run-*")
    points, config = wandb_run(run)
    metric = record["metrics"]["acc1"]
    assert points["mine/acc1"] == [(0, metric["value"])] and points["mine/acc1_low"] == [(0, metric["low"])]
    assert config["fingerprint"] == "0" * 64 and config["protocol/mine"] == "all; global scoring"


def test_a_dry_run_opens_nothing(card: Path, tmp_path: Path) -> None:
    library.evaluate(trained("toy", None), card, out=tmp_path / "out", log="tensorboard", dry_run=True)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_trackers_need_a_folder(card: Path) -> None:
    with pytest.raises(library.GoldievalError, match="give out=FOLDER"):
        library.evaluate(trained("toy", None), card, out=None, log="tensorboard")  # type: ignore[arg-type]


@pytest.mark.parametrize("models", [1, 2])
def test_a_tracker_that_cannot_be_opened_costs_no_work(models: int, card: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "trackers").mkdir(parents=True)
    (tmp_path / "out" / "trackers" / "tensorboard").write_text("no folder")
    model = ("--model", toy_model(tmp_path)) * models
    ran = goldieval("run", *model, "--tasks", card, "--out", tmp_path / "out", "--log", "tensorboard")
    assert ran.code == 2 and one_line(ran.err).startswith("error: log: tensorboard cannot be opened")
    assert not list((tmp_path / "out").rglob("*@*.json"))
