"""Losses and their gradients on a pretend GPU: the CPU's values, and nothing that the host would wait for."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from objective_cases import SIZES, gradients, model, recipe, step_of
from pretend_device import by_line, pretend_device

from goldieval.goldiclip.features import StepFeatures
from goldieval.goldiclip.losses import compute_losses
from goldieval.goldiclip.recipe_losses import Objective

CASES = [
    (name, form)
    for name in get_args(Objective)
    for form in (("dino", "info_nce", "cosine") if name.startswith("distil") else ("dino",))
]


def features(name: str, form: str) -> StepFeatures:
    sizes = SIZES.model_copy(update={"cross_modal": True, "grouping": True})
    data = {"scenes": 32, "captions": 2, "locals": 2, "local_size": 16, "globals": 2, "questions": 2}
    return step_of(recipe(name, model=sizes, data=data, teacher={"loss": form}), model(sizes))


@pytest.mark.parametrize(("name", "form"), CASES)
def test_a_loss_waits_for_nothing_and_copies_nothing(name: str, form: str) -> None:
    step = features(name, form)
    expected = compute_losses(step)[name]
    expected.backward()
    with pretend_device() as report:
        step = features(name, form)
        for module in (step.model, step.teacher, step.state):
            module.to("cuda")
        step.batch = step.batch.pin_memory().to(torch.device("cuda"))
        step.batch.images.first()  # the first one of a process also takes the mean colour there, for good
        report.clear()
        loss = compute_losses(step)[name]
        loss.backward()
        assert not report.synchronisations, by_line(report.synchronisations)
        assert not report.uploads + report.queued_uploads, by_line(report.uploads + report.queued_uploads)
        assert not report.float64, by_line(report.float64)
        assert torch.equal(loss.detach().cpu(), expected.detach())
        assert gradients(step.model)
