"""What a training calls a good checkpoint is one, is kept, and is what was written."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
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
from goldieval.goldiclip.checkpoint import load_weights, not_finite, save_weights
from goldieval.goldiclip.checkpoint_folder import checkpoints
from goldieval.goldiclip.data.shapes import ShapesCorpus, shapes_corpus
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.run_folder import RunFolder
from goldieval.goldiclip.step_numbers import StepNumbers
from goldieval.goldiclip.tokenizer import Tokenizer
from goldieval.goldiclip.trainer import Trainer


@pytest.fixture(autouse=True)
def fresh_accelerator() -> None:
    AcceleratorState._reset_state(reset_partial_state=True)


@cache
def corpus() -> ShapesCorpus:
    return shapes_corpus(40, 32, Tokenizer(RECIPE["model"]["merges"], 77))


def recipe(lr: float = 1e-3, steps: int = 4, **changes: Any) -> Recipe:
    optimiser = {"steps": steps, "batch_size": 8, "warm_up": 0, "lr": lr}
    return Recipe.model_validate({**RECIPE, "evaluation": {}, "save_every": 1, "optimiser": optimiser, **changes})


def trainer(out: Path, chosen: Recipe, resume: bool = False, notes: list[str] | None = None) -> Trainer:
    AcceleratorState._reset_state(reset_partial_state=True)
    return Trainer(chosen, out, resume=resume, corpus=corpus(), note=(notes if notes is not None else []).append)


def stopped(running: Trainer) -> str:
    with pytest.raises(GoldievalError) as failure:
        running.run()
    return one_line(str(failure.value))


def names(folder: Path) -> list[str]:
    return [path.name for path in checkpoints(folder)]


def good(folder: Path) -> bool:
    """Whether a checkpoint has finite weights and gives finite features."""
    model, _ = load_weights(folder)
    features = model.encode_image(torch.zeros(1, 3, 32, 32)), model.encode_text(torch.tensor([[300, 5, 301]]))
    return not not_finite(model.state_dict()) and all(bool(torch.isfinite(found).all()) for found in features)


@pytest.mark.parametrize("lr", [1e4, 1e12, 1e20, 1e38])
def test_a_learning_rate_that_is_far_too_high_leaves_a_good_checkpoint_or_none(lr: float, tmp_path: Path) -> None:
    line = stopped(trainer(tmp_path, recipe(lr=lr, steps=12, keep=1)))
    assert "training stopped" in line and "lower optimiser.lr" in line
    named = line.partition("Last good checkpoint: ")[2].split(". Begin")[0].split(" (")[0]
    assert named == "none yet" or Path(named).is_dir()
    assert all(good(folder) for folder in checkpoints(tmp_path))


def test_one_step_that_ruins_the_weights_is_no_result(tmp_path: Path) -> None:
    """No step follows in which a loss could show it."""
    file = tmp_path / "mine.yaml"
    optimiser = {"steps": 1, "batch_size": 8, "warm_up": 0, "lr": 1e20}
    file.write_text(yaml.safe_dump({**RECIPE, "evaluation": {}, "optimiser": optimiser}))
    ran = goldieval("train", file, "--out", tmp_path / "run")
    line = one_line(ran.err)
    assert ran.code == 2 and "after this step" in line and ("not finite" in line or "no longer finite" in line)
    assert "Last good checkpoint: none yet" in line and not checkpoints(tmp_path / "run")


class Spoiled:
    """Puts a NaN into the training after a step, where no loss of that step can show it."""

    def __init__(self, running: Trainer, step: int, where: str) -> None:
        self.running, self.step, self.where = running, step, where
        train_step = running.train_step
        running.train_step = lambda: self(train_step())  # type: ignore[method-assign]

    def __call__(self, result: Any) -> Any:
        if self.running.step == self.step:
            self.spoil()
        return result

    @torch.no_grad()
    def spoil(self) -> None:
        running = self.running
        some, learned = next(running.student.model.parameters()), running.student.learned_weights
        target = {
            "model": some,
            "teacher": next(running.teacher.parameters()),
            "optimiser": running.state.optimiser.state[some]["exp_avg"],
            "weights": next(learned.parameters()) if learned is not None else some,
        }[self.where]
        target.view(-1)[0] = float("nan")


@pytest.mark.parametrize("where", ["model", "teacher", "optimiser", "weights"])
def test_a_nan_anywhere_is_in_no_checkpoint(where: str, tmp_path: Path) -> None:
    running = trainer(tmp_path, recipe(weighting={"kind": "uncertainty", "warm_up": 1}, keep=1))
    Spoiled(running, 3, where)
    line = stopped(running)
    assert f"numbers are no longer finite ({where}." in line and str(tmp_path / "step-000002") in line
    assert names(tmp_path)[-1] == "step-000002"


def test_the_newest_good_checkpoint_is_kept_until_the_next_is_proven(tmp_path: Path) -> None:
    """The loss of step 4 shows that step 3 was no good, though all its numbers were finite."""
    running = trainer(tmp_path, recipe(keep=1))
    check = running.guard.check

    def nan_in_step_4(step: int, numbers: StepNumbers, skips: bool) -> None:
        check(step, replace(numbers, diverged=True, own_total=math.nan) if step == 3 else numbers, skips)

    running.guard.check = nan_in_step_4  # type: ignore[method-assign]
    line = stopped(running)
    assert f"Last good checkpoint: {tmp_path / 'step-000002'} ({tmp_path / 'step-000003'} is newer" in line
    assert names(tmp_path) == ["step-000002", "step-000003"]


def test_a_finished_run_keeps_as_many_as_it_was_told(tmp_path: Path) -> None:
    last = trainer(tmp_path, recipe(keep=1)).run()
    assert names(tmp_path) == [last.name] == ["step-000004"]


def finished(tmp_path: Path) -> Path:
    return trainer(tmp_path / "run", recipe(steps=2, keep=2)).run()


def flip(file: Path, place: int) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("name", ["model.safetensors", "teacher.safetensors", "state.pt", "manifest.json"])
def test_a_flipped_bit_is_not_gone_on_with(name: str, tmp_path: Path) -> None:
    last = finished(tmp_path)
    flip(last / name, -9 if name == "manifest.json" else (last / name).stat().st_size // 2)
    with pytest.raises(GoldievalError) as failure:
        trainer(tmp_path / "run", recipe(steps=2, keep=2), resume=True)
    line = one_line(str(failure.value))
    assert "cannot resume" in line and f"step-000002/{name}" in line and f"Remove {last}" in line
    shutil.rmtree(last)
    assert trainer(tmp_path / "run", recipe(steps=2, keep=2), resume=True).step == 1


def test_a_flipped_bit_is_not_evaluated(tmp_path: Path) -> None:
    last = finished(tmp_path)
    flip(last / "model.safetensors", -9)
    for named in (last, last / "model.safetensors"):
        asked = ("run", "--model", f"goldiclip@{named}", "--tasks", "shapes-zeroshot", "--limit", "5")
        ran = goldieval(*asked, "--out", tmp_path / "out")
        assert ran.code == 2 and "model.safetensors is damaged" in one_line(ran.err)


def test_files_of_two_checkpoints_are_not_mixed(tmp_path: Path) -> None:
    last = finished(tmp_path)
    shutil.copy(last.with_name("step-000001") / "model.safetensors", last)
    with pytest.raises(GoldievalError, match=r"model\.safetensors is damaged"):
        load_weights(last)


def test_a_checkpoint_of_an_older_version_is_gone_on_with_and_said(tmp_path: Path) -> None:
    last = finished(tmp_path)
    (last / "manifest.json").unlink()
    notes: list[str] = []
    assert trainer(tmp_path / "run", recipe(steps=2), resume=True, notes=notes).step == 2
    assert len(notes) == 1 and "without checksums" in notes[0] and str(last) in notes[0]


def test_a_checkpoint_of_an_older_version_with_nan_is_not_gone_on_with(tmp_path: Path) -> None:
    last = finished(tmp_path)
    (last / "manifest.json").unlink()
    model, about = load_weights(last)
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] = float("nan")
    save_weights(model, about, last / "model.safetensors")
    with pytest.raises(GoldievalError, match=r"cannot resume: .*step-000002 holds numbers that are not finite \(model"):
        trainer(tmp_path / "run", recipe(steps=2), resume=True)
    with pytest.raises(GoldievalError, match=r"^init: .* not finite"):
        trainer(tmp_path / "other", recipe(init=str(last)))


def test_a_checkpoint_that_is_cut_while_it_is_removed_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Removing takes several calls, and a kill may come between any two."""
    finished(tmp_path)

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda path, **_: killed() if Path(path).exists() else None)
        with pytest.raises(KeyboardInterrupt):
            RunFolder(tmp_path / "run").prune(1, 1_000)
    assert names(tmp_path / "run") == ["step-000002"]
    with RunFolder(tmp_path / "run").writing(2):
        pass
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [".lock", "log.jsonl", "step-000002"]
