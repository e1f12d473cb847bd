"""One training step: losses, learned weights, optimiser, teacher; what stops it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny_trainings import (
    EVERYTHING,
    SIZES,
    corpus,
    message,
    optimiser,
    recipe,
    same,
    steps_of,
    trainer,
)

from goldieval.goldiclip.checkpoint import load_weights
from goldieval.goldiclip.checkpoint_folder import latest
from goldieval.goldiclip.features import StepFeatures
from goldieval.goldiclip.losses import LOSSES
from goldieval.goldiclip.trainer import Trainer


def test_losses_fall_and_the_report_adds_up(tmp_path: Path) -> None:
    chosen = recipe(objectives={"softmax": 0.5, "sigmoid": 2.0}, optimiser=optimiser(steps=30, lr=3e-3))
    reports = list(steps_of(trainer(tmp_path, chosen)))
    assert [report.images_seen for report in reports] == [8 * (n + 1) for n in range(30)]
    for report in reports:
        assert report.weights == {"softmax": 0.5, "sigmoid": 2.0}
        assert report.total == pytest.approx(0.5 * report.losses["softmax"] + 2 * report.losses["sigmoid"], rel=1e-5)
        assert report.gradient_norm > 0 and report.rate > 0
    assert reports[-1].losses["softmax"] < 0.9 * reports[0].losses["softmax"]


def test_learned_weights_of_a_report_are_those_of_its_step(tmp_path: Path) -> None:
    chosen = recipe(
        objectives={"softmax": 1.0, "sigmoid": 1.0}, weighting={"kind": "uncertainty", "warm_up": 1, "lr": 0.1}
    )
    for report in steps_of(trainer(tmp_path, chosen)):
        parts = [w * report.losses[name] - math.log(2 * w) / 2 for name, w in report.weights.items()]
        assert report.total == pytest.approx(sum(parts), rel=1e-4)


def test_learned_weights_settle_at_the_logarithm_of_their_losses(tmp_path: Path) -> None:
    """A run so short that the losses hardly move: each s ends within 0.1 of ln L, wherever its start was."""
    objectives = dict.fromkeys(["softmax", "conditioned", "token_classes"], 1.0)
    running = trainer(
        tmp_path,
        recipe(
            model={**SIZES, "token_classes": True},
            objectives=objectives,
            weighting={"kind": "uncertainty", "lr": 0.1, "warm_up": 1},
            optimiser=optimiser(steps=60, lr=1e-7),
        ),
    )
    weights = running.student.learned_weights
    assert weights is not None
    seen: dict[str, list[float]] = {name: [] for name in objectives}
    for report in steps_of(running):
        if report.step == 1:
            for s in weights.s.values():
                s.data += 0.7
        for name, loss in report.losses.items():
            seen[name].append(loss)
    for name, losses in seen.items():
        assert abs(float(weights.s[name].detach()) - math.log(sum(losses[-20:]) / 20)) < 0.1, name


def test_foreign_captions_are_drawn_anew_in_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the seed and the step, and not by the global generator."""
    drawn: list[torch.Tensor] = []

    def recorded(step: StepFeatures) -> torch.Tensor:
        drawn.append(step.batch.draws.clone())
        return step.model.logit_scale

    for out in ("a", "b"):
        running = trainer(tmp_path / out, recipe(objectives={"conditioned": 1.0}))
        monkeypatch.setitem(LOSSES, "conditioned", recorded)
        torch.manual_seed(len(drawn))
        list(steps_of(running))
    assert same(drawn[:6], drawn[6:]) and not any(torch.equal(drawn[0], other) for other in drawn[1:6])


def test_teacher_follows_after_the_optimisers_step(tmp_path: Path) -> None:
    running = trainer(tmp_path, recipe(teacher={"momentum": 0.5}))
    start = {name: weights.clone() for name, weights in running.student.model.state_dict().items()}
    assert same(dict(running.teacher.state_dict()), start)  # they agree right after initialisation
    next(steps_of(running))
    for name, weights in running.teacher.state_dict().items():
        torch.testing.assert_close(weights, (start[name] + running.student.model.state_dict()[name]) / 2)
    moved = running.student.model.state_dict()["vision.patches.weight"]
    assert not torch.equal(moved, start["vision.patches.weight"])


def test_logit_scale_is_clamped_and_bias_learns(tmp_path: Path) -> None:
    running = trainer(tmp_path, recipe(objectives={"sigmoid": 1.0}))
    assert float(running.student.model.logit_bias.detach()) == -10
    with torch.no_grad():
        running.student.model.logit_scale.fill_(5.0)
    next(steps_of(running))
    assert float(running.student.model.logit_scale.detach()) == pytest.approx(math.log(100))
    assert float(running.student.model.logit_bias.detach()) != -10
    assert running.student.model.logit_scale.dtype == running.student.model.logit_bias.dtype == torch.float32
    with torch.no_grad():
        running.student.model.logit_scale.fill_(-1.0)
    next(steps_of(running))
    assert float(running.student.model.logit_scale.detach()) == 0


def test_without_a_bound_no_gradient_is_clipped(tmp_path: Path) -> None:
    free, bound, clipped = (
        trainer(tmp_path / str(clip), recipe(optimiser=optimiser(clip=clip))).run() for clip in (None, 1e9, 1e-3)
    )
    ours, theirs, others = (load_weights(folder)[0].state_dict() for folder in (free, bound, clipped))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert any(not torch.equal(ours[name], others[name]) for name in ours)


@pytest.mark.parametrize("reading", ["through_encoder", "in_encoder"])
def test_all_objectives_train_together_in_bf16(reading: str, tmp_path: Path) -> None:
    chosen = recipe(
        **{
            **EVERYTHING,
            "model": {**EVERYTHING["model"], "decoder": reading},
            "optimiser": optimiser(steps=2, precision="bf16"),
        }
    )
    running = trainer(tmp_path, chosen)
    reports = list(steps_of(running))
    assert set(reports[-1].losses) == set(chosen.objectives)
    assert all(math.isfinite(loss) and loss >= -1e-6 for report in reports for loss in report.losses.values())
    assert all(part.dtype == torch.float32 for part in running.student.parameters())


def spoil(
    monkeypatch: pytest.MonkeyPatch, running: Trainer, loss: Callable[[StepFeatures], torch.Tensor], at: int
) -> None:
    """Replace the softmax loss from step ``at`` on."""
    true_loss = LOSSES["softmax"]
    replaced = lambda features: loss(features) if running.step >= at else true_loss(features)  # noqa: E731
    monkeypatch.setitem(LOSSES, "softmax", replaced)


def infinite_slope(step: StepFeatures) -> torch.Tensor:
    """A finite loss whose gradient is NaN."""
    return 1 + (0 * step.model.logit_scale).sqrt()


@pytest.mark.parametrize(
    ("loss", "says"),
    [
        (lambda step: step.model.logit_scale * math.nan, "softmax nan"),
        (lambda step: step.model.logit_scale * math.inf, "softmax inf"),
        (lambda step: step.model.logit_scale * 1e6, "softmax"),
        (infinite_slope, "gradient"),
    ],
)
def test_nan_and_explosion_stop_at_the_last_good_checkpoint(
    loss: Callable[[StepFeatures], torch.Tensor], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = trainer(tmp_path, recipe(save_every=1))
    spoil(monkeypatch, running, loss, at=3)
    line = message(running.run)
    assert says in line and str(tmp_path / "step-000003") in line
    model, about = load_weights(tmp_path / "step-000003")
    assert all(bool(torch.isfinite(weights).all()) for weights in model.state_dict().values())
    assert about.images_seen == 24 and latest(tmp_path) == tmp_path / "step-000003"
    assert all(bool(torch.isfinite(weights).all()) for weights in running.student.model.state_dict().values())


def test_nan_before_the_first_checkpoint_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = trainer(tmp_path)
    spoil(monkeypatch, running, lambda step: step.model.logit_scale * math.nan, at=0)
    assert "none yet" in message(running.run)


def test_where_processes_see_other_checkpoints_one_evaluates_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    chosen = recipe(optimiser=optimiser(steps=2), save_every=2, evaluation={"every": 2})
    running = Trainer(chosen, tmp_path, corpus=corpus(), note=notes.append)
    monkeypatch.setattr(running.agreement, "exchanged", lambda own: [own, (own[0], "missing")])
    shared: list[bool] = []
    running.run(evaluate=lambda checkpoint: shared.append(running.shares_evaluations))
    assert shared == [False]
    assert notes == [f"not all processes see {tmp_path}: one of them evaluates while the others wait"]
