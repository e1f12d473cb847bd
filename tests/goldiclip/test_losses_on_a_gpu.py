"""Losses and their gradients on a pretend GPU: the CPU's values, and nothing that the host would wait for."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from objective_cases import SIZES, gradients, model, recipe, step_of
from pretend_device import by_line, pretend_device

from goldieval.goldiclip.ema import teacher_of
from goldieval.goldiclip.losses import compute_losses
from goldieval.goldiclip.recipe_parts import Objective

CASES = [
    (name, form)
    for name in get_args(Objective)
    for form in (("dino", "info_nce", "cosine") if name.startswith("distil") else ("dino",))
]


@pytest.mark.parametrize(("name", "form"), CASES)
def test_a_loss_waits_for_nothing_and_copies_nothing(name: str, form: str) -> None:
    sizes = SIZES.model_copy(update={"cross_modal": True, "grouping": True})
    data = {"scenes": 32, "captions": 2, "locals": 2, "local_size": 16, "globals": 2, "questions": 2}
    chosen = recipe(name, model=sizes, data=data, teacher={"loss": form})
    found = []
    student = model(sizes)
    step = step_of(chosen, student)
    compute_losses(step)[name].backward()
    found.append(({name: compute_losses(step)[name].detach()}, gradients(student)))
    with pretend_device() as report:
        student = model(sizes).to("cuda")
        step = step_of(chosen, student)
        step.batch, step.state = step.batch.pin_memory().to(torch.device("cuda")), step.state.to("cuda")
        step.teacher = teacher_of(student)
        report.clear()
        loss = compute_losses(step)[name]
        loss.backward()
        assert not report.synchronisations, by_line(report.synchronisations)
        assert not report.copies, by_line(report.copies)
        assert not report.float64, by_line(report.float64)
