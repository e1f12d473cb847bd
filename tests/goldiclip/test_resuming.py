"""Resumed training equals uninterrupted training to the bit; checkpoints are kept and written whole."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_trainings import (
    EVERYTHING,
    GOLDILOCKS,
    SIZES,
    CutError,
    cut_at,
    log_of,
    message,
    optimiser,
    recipe,
    same,
    trainer,
)

from goldieval.goldiclip.checkpoint import load_weights
from goldieval.goldiclip.checkpoint_folder import latest, load_state
from goldieval.goldiclip.provenance import checkpoint_info


@pytest.mark.parametrize(
    ("muon_lr", "execution", "views"),
    [
        (None, {}, {}),
        (2e-3, {}, {"redraw": 0.5, "jitter": 0.5}),
        (None, {"micro_batches": 3, "checkpointing": 0.5}, {}),
    ],
)
def test_resumed_equals_uninterrupted(
    tmp_path: Path, muon_lr: float | None, execution: dict[str, Any], views: dict[str, float]
) -> None:
    """Weights, teacher, centres, document frequencies, loss weights, optimiser and log, to the bit."""
    data = {**EVERYTHING["data"], **views}
    chosen = recipe(**{**EVERYTHING, "data": data}, optimiser=optimiser(muon_lr=muon_lr), execution=execution)
    whole = trainer(tmp_path / "whole", chosen)
    end = whole.run()
    with pytest.raises(CutError):
        trainer(tmp_path / "cut", chosen).run(cut_at(5))
    assert len(log_of(tmp_path / "cut")) == 5 and latest(tmp_path / "cut") == tmp_path / "cut" / "step-000003"
    with (tmp_path / "cut" / "log.jsonl").open("a") as log:
        log.write('{"step": 6, "im')  # what a kill leaves
    resumed = trainer(tmp_path / "cut", chosen, resume=True)
    assert resumed.step == 3
    resumed_end = resumed.run()
    assert (resumed.step, resumed_end.name) == (6, end.name)
    assert same(load_state(end), load_state(resumed_end))
    for name in ("model", "teacher"):
        ours, theirs = (load_weights(folder / f"{name}.safetensors")[0] for folder in (end, resumed_end))
        assert same(dict(ours.state_dict()), dict(theirs.state_dict()))
    state = load_state(end)
    assert bool(state["losses"]["agnostic.centre"].any()) and float(state["losses"]["documents.documents"]) == 48
    assert all(float(state["weights"][f"s.{name}"]) != 0 for name in chosen.objectives)
    assert log_of(tmp_path / "whole") == log_of(tmp_path / "cut")
    assert [row["step"] for row in log_of(tmp_path / "cut")] == [1, 2, 3, 4, 5, 6]


def test_scales_and_heads_of_their_own_resume_to_the_bit(tmp_path: Path) -> None:
    """They move, also in the teacher, and an interruption is not seen."""
    chosen = recipe(**GOLDILOCKS)
    whole = trainer(tmp_path / "whole", chosen)
    start = {name: tensor.clone() for name, tensor in whole.student.state_dict().items()}
    end = whole.run()
    with pytest.raises(CutError):
        trainer(tmp_path / "cut", chosen).run(cut_at(5))
    resumed = trainer(tmp_path / "cut", chosen, resume=True).run()
    assert same(load_state(end), load_state(resumed)) and log_of(tmp_path / "whole") == log_of(tmp_path / "cut")
    for name in ("model", "teacher"):
        ours, theirs = (load_weights(folder / f"{name}.safetensors")[0] for folder in (end, resumed))
        assert same(dict(ours.state_dict()), dict(theirs.state_dict()))
    moved = {name for name, tensor in whole.student.state_dict().items() if not torch.equal(tensor, start[name])}
    scales = {f"state.scales.{name}" for name in ("distil_agnostic", "distil_conditioned")}
    assert scales | {"model.conditioned_logit_scale", "model.conditioned_logit_bias"} <= moved
    heads = {name for name in start if name.startswith("model.distillation_head.")}
    assert heads and heads <= moved
    of_teacher = whole.teacher.state_dict()
    assert not any(torch.equal(of_teacher[name.removeprefix("model.")], start[name]) for name in heads)


def test_a_resumed_run_may_be_computed_in_another_way(tmp_path: Path) -> None:
    """Micro-batches and activations that are computed again change the last bits at most."""
    with pytest.raises(CutError):
        trainer(tmp_path, recipe(execution={"micro_batches": 2})).run(cut_at(4))
    trainer(tmp_path, recipe(execution={"checkpointing": 1.0}), resume=True).run()
    trainer(tmp_path / "whole").run()
    ours, theirs = (log_of(folder)[-1]["losses"]["softmax"] for folder in (tmp_path, tmp_path / "whole"))
    assert ours == pytest.approx(theirs, rel=1e-4)


def test_the_scaler_of_half_precision_goes_on(tmp_path: Path) -> None:
    before = trainer(tmp_path)
    state = before.state
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    dataclasses.replace(state, scaler=scaler).save(tmp_path / "step-000001", 1, checkpoint_info(before.recipe, 8, 32))
    other = torch.amp.GradScaler("cpu", init_scale=2.0)
    assert dataclasses.replace(state, scaler=other).restore(tmp_path / "step-000001")[0] == 1
    assert other.state_dict() == scaler.state_dict() and other.state_dict()["scale"] == 1024


def test_what_is_restored_matters(tmp_path: Path) -> None:
    """The comparison above is no tautology: the trained model is not the fresh one, and seeds differ."""
    end = trainer(tmp_path / "a").run()
    other = trainer(tmp_path / "b", recipe(seed=1)).run()
    ours, theirs = load_weights(end)[0], load_weights(other)[0]
    assert not same(dict(ours.state_dict()), dict(theirs.state_dict()))
    fresh = trainer(tmp_path / "c").student.model
    assert not same(dict(ours.state_dict()), dict(fresh.state_dict()))


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    end = trainer(tmp_path).run()
    before = (end / "model.safetensors").read_bytes()
    assert trainer(tmp_path, resume=True).run() == end
    assert (end / "model.safetensors").read_bytes() == before and len(log_of(tmp_path)) == 6


def test_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    trainer(tmp_path, recipe(save_every=1, keep=2)).run()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "log.jsonl", "step-000005", "step-000006"]


def test_last_step_is_saved_whatever_the_interval(tmp_path: Path) -> None:
    assert trainer(tmp_path, recipe(save_every=4, keep=5)).run().name == "step-000006"
    assert [path.name for path in sorted(tmp_path.glob("step-*"))] == ["step-000004", "step-000006"]


def test_a_save_that_fails_leaves_the_old_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError("disk full")

    running = trainer(tmp_path, recipe(save_every=2))
    with pytest.raises(CutError):
        running.run(cut_at(3))
    monkeypatch.setattr(torch, "save", full)
    assert "disk full" in message(running.save)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "log.jsonl", "step-000002"]


def test_resume_refuses_fixed_weights_after_learned_ones(tmp_path: Path) -> None:
    trainer(tmp_path, recipe(weighting={"kind": "uncertainty"})).run()
    assert "cannot resume" in message(lambda: trainer(tmp_path, resume=True))


def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one(tmp_path: Path) -> None:
    """As the line says that refuses it."""
    whole = trainer(tmp_path).run()
    weights = (whole / "model.safetensors").read_bytes()
    (whole / "state.pt").write_bytes(b"")
    assert f"Remove {whole} to go on" in message(lambda: trainer(tmp_path, resume=True))
    shutil.rmtree(whole)
    resumed = trainer(tmp_path, resume=True)
    assert resumed.step == 3 and resumed.run() == whole
    assert (whole / "model.safetensors").read_bytes() == weights and len(log_of(tmp_path)) == resumed.step


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with a checkpoint at step 3; not to be written to."""
    out = tmp_path_factory.mktemp("finished")
    running = trainer(out, recipe(keep=1))
    with pytest.raises(CutError):
        running.run(cut_at(4))
    return out


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {**SIZES, "text_layers": 3}},
        {"model": {**SIZES, "prototypes": 4}},
        {"weighting": {"kind": "uncertainty"}},
    ],
)
def test_resume_refuses_another_size_or_recipe(changes: dict[str, Any], finished: Path) -> None:
    line = message(lambda: trainer(finished, recipe(**changes), resume=True))
    assert "cannot resume" in line and "step-000003" in line


def test_a_recipe_can_begin_with_the_weights_of_a_checkpoint(finished: Path, tmp_path: Path) -> None:
    """Parts that the checkpoint lacks begin at random, the teacher begins where the student does."""
    file = finished / "step-000003"
    before, _ = load_weights(file)
    bigger = {**SIZES, "decoder": "through_encoder", "token_classes": True}
    running = trainer(tmp_path, recipe(init=str(file), model=bigger))
    for model in (running.student.model, running.teacher):
        ours = model.state_dict()
        assert all(torch.equal(ours[name], tensor) for name, tensor in before.state_dict().items())
        assert any(name.startswith("decoder.") for name in ours)
    line = message(lambda: trainer(tmp_path, recipe(init=str(file), model={**SIZES, "text_layers": 3})))
    assert "init:" in line and "does not fit" in line and "resblocks.2" in line
    assert "no checkpoint" in message(lambda: trainer(tmp_path, recipe(init=str(tmp_path / "nowhere"))))
