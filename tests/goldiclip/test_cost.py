"""The cost of a recipe whose first steps are cheaper than the others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from goldieval.goldiclip import cost
from goldieval.goldiclip.recipe_files import load_recipe
from goldieval.goldiclip.run_folder import StepReport
from goldieval.goldiclip.trainer import Trainer

WARM = {"steps": 30, "objectives": ["token_classes"]}


def test_a_warm_start_is_measured_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """30 of 90 steps at 40 images a second and 60 at 10; batch 4: 3 s and 24 s."""
    changes = {"data.scenes": 8, "optimiser.steps": 90, "optimiser.batch_size": 4, "warm_start": WARM}
    trainer = Trainer(load_recipe("ablation/k_token_classes", changes), tmp_path)
    acting: list[int] = []

    def measured(trainer: Trainer, whole: int, size: int, first: int | None = None) -> cost.Cost:
        rate = 40.0 if first == 0 else 10.0
        return cost.Cost(1, size, 4, rate, 0, 90 * whole, 1, torch.device("cpu"))

    with monkeypatch.context() as patched:
        patched.setattr(cost, "_measured", measured)
        assert cost.cost_of(trainer).seconds == pytest.approx(27)
    train_step = trainer.train_step

    def watched() -> StepReport:
        report = train_step()
        acting.append(len(report.losses))
        return report

    monkeypatch.setattr(trainer, "train_step", watched)
    cost._measured(trainer, 4, 4)
    assert min(acting) > 1  # every objective acts
    acting.clear()
    cost._measured(trainer, 4, 4, first=0)
    assert set(acting) == {1}
