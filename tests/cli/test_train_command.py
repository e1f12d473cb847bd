"""``goldieval train`` on the command line: the cost of a recipe, scheduled evaluation, and its records."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from accelerate.state import AcceleratorState
from helpers import card, class_folders, goldieval, one_line
from tiny_recipe import RECIPE

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip import cost
from goldieval.goldiclip.checkpoint import load_weights
from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.passes import Passes
from goldieval.goldiclip.shipped import MAX_BYTES, ship
from goldieval.records.results import load_results


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read and write only in the folder of the test, and reset accelerate."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(RECIPE))
    return file


def test_evaluation_on_schedule(recipe: Path, tmp_path: Path) -> None:
    """Evaluation runs every second step and at the end; a task that does not apply is reported and does not stop it."""
    ran = goldieval("train", recipe, "--out", tmp_path / "run")
    assert ran.code == 0, ran.err
    lines = [line for line in ran.out.splitlines() if line.startswith("step-00000")]
    steps = ["step-000002", "step-000002", "step-000004", "step-000004"]
    assert [line.split()[0] for line in lines] == steps
    assert all(("acc1" in line) == ("zeroshot" in line) and ("failed" in line) == ("vqa" in line) for line in lines)
    records = load_results(tmp_path / "run" / "results")
    scored = sorted((r for r in records if r.task.name == "shapes-zeroshot"), key=lambda r: r.model.images_seen or 0)
    assert [(r.model.images_seen, r.model.unique_pairs, r.model.recipe, r.model.seed) for r in scored] == [
        (16, 40, "mine", 3),
        (32, 40, "mine", 3),
    ]
    assert all(r.task.limit == 12 and r.status == "ok" for r in scored)
    assert len({r.model.fingerprint for r in scored}) == 2


def test_evaluation_leaves_the_training_as_it_was(recipe: Path, tmp_path: Path) -> None:
    for name, every in (("with", 2), ("without", 0)):
        AcceleratorState._reset_state(reset_partial_state=True)
        assert goldieval("train", recipe, "--out", tmp_path / name, "--set", f"evaluation.every={every}").code == 0
    weights = [load_weights(tmp_path / name / "step-000004")[0].state_dict() for name in ("with", "without")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not (tmp_path / "without" / "results").exists()


def test_a_dry_run_prints_the_cost_and_leaves_nothing(recipe: Path, tmp_path: Path) -> None:
    ran = goldieval("train", recipe, "--out", tmp_path / "run", "--dry-run")
    assert ran.code == 0, ran.err
    for said in (" M parameters", "GiB of", "images/s", "32 images in 4 steps", "device hours"):
        assert said in ran.out
    assert not (tmp_path / "run").exists()


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run measures fewer steps if they are slow; prevent this on a busy machine."""
    monkeypatch.setattr(cost, "LONG_STEP_S", math.inf)
    monkeypatch.setattr(cost, "LONG_ENOUGH_S", math.inf)


def dry_run(*arguments: str | Path) -> list[str]:
    """Return the lines below the title of the recipe."""
    ran = goldieval("train", *arguments, "--dry-run")
    assert ran.code == 0, ran.err
    return ran.out.splitlines()[1:]


@pytest.mark.parametrize("source", ["shards", "jsonl"])
def test_a_dry_run_without_the_data_measures_synthetic_pictures(source: str, recipe: Path, tmp_path: Path) -> None:
    content = {**RECIPE, "data": {"source": source, "path": str(tmp_path / "none"), "captions": 2, "workers": 0}}
    recipe.write_text(yaml.safe_dump(content))
    first, *rest = dry_run(recipe, "--out", tmp_path / "run")
    assert str(tmp_path / "none") in first and "synthetic pictures" in first
    assert "over 4 steps of 8 on 1 x" in rest[1] and rest[2].startswith("32 images in 4 steps")
    assert "none" in one_line(goldieval("train", recipe, "--out", tmp_path / "run").err)
    assert not (tmp_path / "run").exists()


def test_a_dry_run_stops_at_a_batch_that_takes_long(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "LONG_STEP_S", 0.0)
    lines = dry_run(recipe)
    assert "batch 8" in lines[0] and "over 4 steps of 2 on" in lines[1]
    assert "a step of 8 is not measured here" in lines[2] and lines[3].startswith("32 images in 4 steps")


def test_a_dry_run_stops_at_a_batch_that_does_not_fit(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backward = Passes.backward

    def full(self: Passes, batch: Batch, *others: Any) -> Any:
        if len(batch) > limit:
            raise torch.OutOfMemoryError
        return backward(self, batch, *others)

    monkeypatch.setattr(Passes, "backward", full)
    limit = 4
    assert "over 4 steps of 4 on" in dry_run(recipe)[1]
    limit = 1
    assert "optimiser.batch_size 2 needs more memory" in one_line(goldieval("train", recipe, "--dry-run").err)


def test_a_dry_run_beside_a_finished_run(recipe: Path, tmp_path: Path) -> None:
    assert goldieval("train", recipe, "--out", tmp_path / "run", "--set", "evaluation.every=0").code == 0
    assert "32 images in 4 steps" in "".join(dry_run(recipe, "--out", tmp_path / "run", "--resume"))


def test_a_dry_run_does_not_need_the_checkpoint_to_begin_with(recipe: Path) -> None:
    assert "32 images in 4 steps" in "".join(dry_run(recipe, "--set", "init=runs/nowhere/step-000100"))
    refused = one_line(goldieval("train", recipe, "--set", "init=runs/nowhere/step-000100").err)
    assert "init: no checkpoint runs/nowhere/step-000100" in refused and "To make it" not in refused
    refused = one_line(goldieval("train", recipe, "--set", "init=runs/clip-tiny/step-000100").err)
    assert refused.endswith("To make it: goldieval train clip-tiny")


def test_a_checkpoint_ships_and_says_how_it_was_trained(recipe: Path, tmp_path: Path) -> None:
    assert goldieval("train", recipe, "--out", tmp_path / "run", "--set", "evaluation.every=0").code == 0
    file = tmp_path / "weights" / "small.safetensors"
    ship(tmp_path / "run" / "step-000004", file)
    model, about = load_weights(file)
    assert (
        file.stat().st_size < MAX_BYTES
        and about.recipe == "mine"
        and about.home == "shapes"
        and about.images_seen == 32
    )
    assert next(model.parameters()).dtype == torch.float32
    ran = goldieval(
        *("run", "--model", f"goldiclip@{file}", "--tasks", "shapes-zeroshot", "--limit", "5"),
        *("--out", tmp_path / "out", "--json", "--no-cache"),
    )
    (record,) = json.loads(ran.out)
    assert record["model"]["notice"] == "goldieval's trainer (reimplementation): a test; trained on drawn scenes"
    assert record["model"]["images_seen"] == 32
    asked = ("run", "--model", f"goldiclip@{file}", "--tasks", "shapes-retrieval", "--limit", "5", "--no-cache")
    refused = goldieval(*asked, "--scoring", "conditioned", "--out", tmp_path / "out")
    assert refused.code and "conditioned" in one_line(refused.err)  # nothing has trained its pooling


def test_a_checkpoint_too_large_to_ship_leaves_what_ships(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert goldieval("train", recipe, "--out", tmp_path / "run", "--set", "evaluation.every=0").code == 0
    file = tmp_path / "small.safetensors"
    file.write_bytes(b"what ships")
    monkeypatch.setattr("goldieval.goldiclip.shipped.MAX_BYTES", 1000)
    with pytest.raises(GoldievalError, match="more than the"):
        ship(tmp_path / "run" / "step-000004", file)
    assert file.read_bytes() == b"what ships" and not [
        path for path in tmp_path.iterdir() if path.name.startswith("tmp")
    ]


def test_an_unknown_recipe_or_key_is_one_line(recipe: Path, tmp_path: Path) -> None:
    assert "Did you mean clip-tiny" in one_line(goldieval("train", "clip-tinny").err)
    assert "evaluation.evry: unknown key" in one_line(goldieval("train", recipe, "--set", "evaluation.evry=3").err)


def proposed(out: str) -> list[str]:
    """Return the arguments of the command that a training proposes at its end."""
    line = next(line for line in out.splitlines() if line.startswith("  goldieval run"))
    return shlex.split(line)[1:]


def test_the_proposed_command_runs_as_printed(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also from a folder with spaces and characters that specs use; tasks that failed are not proposed."""
    monkeypatch.chdir(tmp_path)
    folder = "my runs/a@b #1 [x]"
    ran = goldieval("train", recipe, "--out", folder)
    assert ran.code == 0, ran.err
    command = proposed(ran.out)
    assert command == ["run", "--model", f"goldiclip@{folder}/step-000004", "--tasks", "shapes-zeroshot"]
    again = goldieval(*command, "--limit", "5")
    assert again.code == 0, again.out + again.err
    assert {record.task.name for record in load_results(tmp_path / "results")} == {"shapes-zeroshot"}


def test_own_tasks_and_data_are_evaluated_and_proposed(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    class_folders(tmp_path / "my data" / "animals", {"cat": 3, "dog": 3})
    source = {"id": "animals", "path": "", "manual": "drawn by the test"}
    card(tmp_path / "my cards", name="animals", source=source, expect={"images": 6})
    content = {**RECIPE, "evaluation": {"every": 4, "tasks": ["animals"]}}
    recipe.write_text(yaml.safe_dump(content))
    places = ("--tasks-dir", "my cards", "--data-dir", "my data")
    ran = goldieval("train", recipe, "--out", "run", *places)
    assert ran.code == 0, ran.out + ran.err
    assert [line for line in ran.out.splitlines() if line.startswith("step-000004  animals  acc1 ")]
    command = proposed(ran.out)
    assert command[3:] == ["--tasks", "animals", "--data-dir", "my data", "--tasks-dir", "my cards"]
    assert goldieval(*command).code == 0
    assert len(load_results(tmp_path / "results")) == 1


def test_without_an_evaluation_the_suites_of_the_data_are_proposed(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = goldieval("train", recipe, "--set", "evaluation.every=0")
    command = proposed(ran.out)
    assert command == ["run", "--model", "goldiclip@runs/mine/step-000004", "--tasks", "shapes"]
    again = goldieval(*command, "--limit", "300", "--no-cache")
    assert again.code == 0, [line for line in again.out.splitlines() if "FAILED" in line]


@pytest.mark.parametrize("option", ["--tasks-dir", "--data-dir"])
def test_a_folder_that_does_not_exist_is_refused_before_the_training(option: str, recipe: Path, tmp_path: Path) -> None:
    ran = goldieval("train", recipe, "--out", tmp_path / "run", option, tmp_path / "nowhere")
    assert ran.code == 2 and "nowhere" in one_line(ran.err)
    assert not (tmp_path / "run").exists()


def test_a_task_of_the_recipe_without_its_cards_is_refused_before_the_training(recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(yaml.safe_dump({**RECIPE, "evaluation": {"every": 4, "tasks": ["animals"]}}))
    ran = goldieval("train", recipe, "--out", tmp_path / "run")
    assert ran.code == 2 and "animals" in ran.err and not (tmp_path / "run").exists()
