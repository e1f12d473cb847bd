"""``--resume``: where a run continues, also where its newest checkpoint is damaged."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from accelerate.state import AcceleratorState
from helpers import goldieval, one_line
from tiny_recipe import RECIPE
from tiny_trainings import log_of

from goldieval.cli.train import _with_values
from goldieval.goldiclip.checkpoint_folder import checkpoints


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({**RECIPE, "evaluation": {"every": 0}, "save_every": 2, "keep": 3}))
    return file


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run of four steps, to be copied."""
    folder = tmp_path_factory.mktemp("cut")
    (folder / "mine.yaml").write_text(
        yaml.safe_dump({**RECIPE, "evaluation": {"every": 0}, "save_every": 2, "keep": 3})
    )
    assert train(folder / "mine.yaml", "--out", folder / "run").code == 0
    return folder / "run"


def train(*arguments: str | Path) -> Any:
    AcceleratorState._reset_state(reset_partial_state=True)
    return goldieval("train", *arguments)


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        (["--resume", "mine"], ["--resume=newest", "mine"]),
        (["mine", "--resume"], ["mine", "--resume=newest"]),
        (["--resume", "auto", "mine"], ["--resume=auto", "mine"]),
        (["mine", "--resume", "--out", "x"], ["mine", "--resume=newest", "--out", "x"]),
        (["mine", "--resume=auto"], ["mine", "--resume=auto"]),
        (["auto", "--out", "auto"], ["auto", "--out", "auto"]),
        (["--resume", "auto", "auto"], ["--resume=auto", "auto"]),
    ],
)
def test_what_follows_the_option_is_the_recipe_except_auto(given: list[str], understood: list[str]) -> None:
    assert list(_with_values(given)) == understood


def test_another_value_is_refused_in_one_line(recipe: Path, tmp_path: Path) -> None:
    ran = train(recipe, "--resume=latest", "--out", tmp_path / "run")
    assert ran.code == 2 and "write --resume, or --resume auto" in one_line(ran.err)


def test_auto_begins_continues_and_has_nothing_to_do_at_the_end(recipe: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "run", "--resume", "auto")
    begun = train(recipe, *out)
    assert begun.code == 0 and "no checkpoint to resume from" in begun.out
    ended = train(recipe, *out)
    assert ended.code == 0 and "resuming from step 4" in ended.out and "step-000004" in ended.out
    assert [row["step"] for row in log_of(tmp_path / "run")] == [1, 2, 3, 4]


def damage(folder: Path, name: str) -> None:
    file = folder / name
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("name", ["model.safetensors", "teacher.safetensors", "state.pt", "manifest.json"])
def test_a_damaged_newest_checkpoint_is_left_for_the_one_before_it(name: str, recipe: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(recipe, "--out", run).code == 0
    whole, log = (run / "step-000004/model.safetensors").read_bytes(), log_of(run)
    damage(run / "step-000004", name)
    refused = train(recipe, "--out", run, "--resume")
    assert refused.code == 2 and "step-000004" in one_line(refused.err) and "Remove" in refused.err
    went_on = train("--resume", "auto", recipe, "--out", run)
    assert went_on.code == 0, went_on.err
    said = [line for line in went_on.out.splitlines() if "continuing from step-000002 before it" in line]
    assert len(said) == 1 and "step-000004" in said[0], went_on.out
    assert "resuming from step 2" in went_on.out
    assert (run / "step-000004/model.safetensors").read_bytes() == whole and log_of(run) == log


def test_without_a_whole_checkpoint_auto_says_so_and_does_not_begin_again(recipe: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(recipe, "--out", run).code == 0
    for folder in checkpoints(run):
        damage(folder, "state.pt")
    refused = train(recipe, "--out", run, "--resume", "auto")
    assert refused.code == 2 and "step-000002" in one_line(refused.err)
    assert len(log_of(run)) == 4


def test_auto_does_not_hide_another_recipe(recipe: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(recipe, "--out", run).code == 0
    refused = train(recipe, "--out", run, "--resume", "auto", "--set", "optimiser.lr=0.5")
    assert refused.code == 2 and "optimiser.lr" in one_line(refused.err)


@pytest.mark.parametrize("name", ["model.safetensors", "teacher.safetensors", "state.pt", "manifest.json"])
@pytest.mark.parametrize("content", [b"", bytes(range(256)) * 4])
def test_what_is_no_checkpoint_any_more_is_one_sentence(
    name: str, content: bytes, cut: Path, recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(cut, out)
    (out / "step-000004" / name).write_bytes(content)
    ran = train(recipe, "--out", out, "--resume")
    said = one_line(ran.err)
    assert ran.code == 2 and f"step-000004/{name}" in said
    assert said.endswith(
        f". Remove {out / 'step-000004'} to go on from the checkpoint before it, or name another --out."
    )
    ran = train(recipe, "--out", out, "--resume", "auto")
    (note,) = [line for line in ran.out.splitlines() if line.endswith("; continuing from step-000002 before it")]
    assert ran.code == 0 and "Remove" not in note


def changed_state(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    state = torch.load(folder / "state.pt", weights_only=True)
    change(state)
    torch.save(state, folder / "state.pt")
    (folder / "manifest.json").unlink()


def test_a_checkpoint_of_accumulated_steps_says_what_to_do(cut: Path, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(cut, out)
    changed_state(out / "step-000004", lambda state: state["recipe"]["optimiser"].update(accumulate=4))
    ran = train(recipe, "--out", out, "--resume", "auto")
    said = one_line(ran.err)
    assert ran.code == 2 and "execution.micro_batches" in said and f"--set init={out / 'step-000004'}" in said


def test_a_log_that_is_not_whole_does_not_end_a_training(cut: Path, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(cut, out)
    shutil.rmtree(out / "step-000004")
    _, second, third, fourth = (out / "log.jsonl").read_bytes().splitlines(keepends=True)
    (out / "log.jsonl").write_bytes(b"\0\0\xff\xfe" + b"\n" + second + b"[1]\n" + third + fourth[:20])
    ran = train(recipe, "--out", out, "--resume")
    assert ran.code == 0, ran.err
    assert [row["step"] for row in log_of(out)] == [2, 3, 4]
