"""A step whose losses read global features alone, against the same step through features with patches."""

from __future__ import annotations

import pytest
import torch
from objective_cases import gradients, model, step_of
from objective_passes import OBJECTIVES, several

from goldieval.goldiclip.losses import compute_losses
from goldieval.goldiclip.recipe import Recipe

Named = dict[str, torch.Tensor]
WITH_PATCHES = ("image", "local_crops", "teacher_image")  # features of ``StepFeatures``
STEPS = [
    ("softmax", "distil_agnostic", "foils"),
    ("sigmoid", "views"),
    ("distil_agnostic",),
    ("cross_modal",),  # global features of local crops, beside patches of global ones
]


def done(
    objectives: tuple[str, ...], form: str = "info_nce"
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], set[str]]:
    """Do a step; return its losses, its gradients, and which features with patches it computed."""
    chosen = several(objectives, teacher={"loss": form})
    student = model(chosen.model)
    features = step_of(chosen, student)
    losses = compute_losses(features)
    sum(losses.values(), torch.zeros(())).backward()
    return losses, gradients(student), {name for name in WITH_PATCHES if name in vars(features)}


@pytest.mark.parametrize(
    ("objectives", "form"), [*((each, "info_nce") for each in STEPS), (("distil_agnostic",), "dino")]
)
def test_a_step_is_the_same_through_global_features_and_through_patches(
    objectives: tuple[str, ...], form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses, found, computed = done(objectives, form)
    for name in ("uses_patches", "distils_patches"):
        monkeypatch.setattr(Recipe, name, property(lambda recipe: True))
    expected_losses, expected, whole = done(objectives, form)
    assert losses.keys() == expected_losses.keys() and found.keys() == expected.keys()
    assert computed < whole
    for name, loss in losses.items():
        torch.testing.assert_close(loss, expected_losses[name], rtol=1e-5, atol=1e-6)
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_patches_are_computed_where_the_objective_says_that_it_needs_them_and_nowhere_else(objective: str) -> None:
    chosen = several((objective,))
    _, _, computed = done((objective,))
    assert ("image" in computed) == chosen.uses_patches
    assert ({"local_crops", "teacher_image"} <= computed) == chosen.distils_patches
