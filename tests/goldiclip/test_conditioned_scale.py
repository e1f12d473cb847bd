"""A logit scale and bias of the conditioned sigmoid's own: where they start, what they train, and what they leave."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from objective_cases import SIZES, batch_of, gradients, model, recipe, step_of, value, vectors

from goldieval.goldiclip.checkpoint import CheckpointInfo, load_weights, save_weights, start_from
from goldieval.goldiclip.config import ModelConfig
from goldieval.goldiclip.losses import compute_losses
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.objectives.conditioned import conditioned_sigmoid
from goldieval.goldiclip.optimiser import parameter_groups
from goldieval.goldiclip.student import Student
from goldieval.scoring.conditioned import conditioned_matrix

OWN = SIZES.model_copy(update={"conditioned_scale": True})


@pytest.mark.parametrize(("batch_size", "captions"), [(8, 2), (32, 1), (16, 5)])
def test_the_bias_starts_at_rest(batch_size: int, captions: int) -> None:
    """Where nothing tells pairs apart, the loss pushes the bias neither way; that of the global losses is far off."""
    data = {"scenes": 32, "captions": captions}
    chosen = recipe("conditioned", batch_size=batch_size, model=OWN, data=data)
    scale, start = chosen.conditioned_start
    assert scale == 10 and start == pytest.approx(math.log(captions / (batch_size - 1)))
    pool, draws = model().pool, batch_of(chosen).draws
    torch.nn.init.zeros_(pool.out.weight)  # all cosines are 0
    texts, patches = vectors(batch_size, captions, 32), vectors(batch_size, 4, 32, seed=1)

    def slope(at: float) -> float:
        bias = torch.tensor(at, requires_grad=True)
        conditioned_sigmoid(pool, patches, texts, texts, draws, torch.tensor(scale), bias).backward()
        assert bias.grad is not None
        return float(bias.grad)

    assert slope(start) == pytest.approx(0, abs=1e-4) and abs(slope(chosen.logit_bias)) > 0.1


def test_it_trains_its_own_scale_and_leaves_the_global_ones_alone() -> None:
    chosen = recipe("conditioned", model=OWN, conditioned_scale=20, conditioned_bias=-2)
    student = Student(chosen)
    assert value(student.model.conditioned_logit_scale.exp()) == pytest.approx(20)
    assert value(student.model.conditioned_logit_bias) == -2
    compute_losses(step_of(chosen, student.model))["conditioned"].backward()
    trained = {name for name in gradients(student.model) if "logit" in name}
    assert trained == {"conditioned_logit_scale", "conditioned_logit_bias"}
    own = {id(student.model.conditioned_logit_scale), id(student.model.conditioned_logit_bias)}
    groups = parameter_groups(student, chosen)
    assert {group["weight_decay"] for group in groups if own & set(map(id, group["params"]))} == {0}


def test_without_it_a_model_is_what_it_was() -> None:
    """Names, architecture and start of the weights: with them the fingerprint. The parts come after all others."""
    with_parts = OWN.model_copy(update={"distillation_head": 8})
    plain, parts = model(), model(with_parts)
    state = parts.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in plain.state_dict().items())
    more = {name.split(".")[0] for name in state.keys() - plain.state_dict().keys()}
    assert more == {"conditioned_logit_scale", "conditioned_logit_bias", "distillation_head"}
    assert repr(model(SIZES.model_copy(update={"token_pooling": "patches"}))) == repr(plain) == repr(model(OWN))
    compute_losses(step_of(recipe("conditioned"), plain))["conditioned"].backward()
    assert {name for name in gradients(plain) if "logit" in name} == {"logit_scale", "logit_bias"}


def test_files_of_models_without_the_parts_can_be_read_by_older_versions(tmp_path: Path) -> None:
    """These refuse a key that they do not know, so a file has none that it does not need."""
    newer = {"token_pooling": "patches", "distillation_head": 8, "conditioned_scale": True}
    assert not newer.keys() & SIZES.stored().keys() and ModelConfig.model_validate(SIZES.stored()) == SIZES
    sizes = SIZES.model_copy(update=newer)
    assert sizes.stored() == SIZES.stored() | newer and ModelConfig.model_validate(sizes.stored()) == sizes
    for config in (SIZES, sizes):
        save_weights(GoldiClip(config), CheckpointInfo(config), tmp_path / "model.safetensors")
        assert load_weights(tmp_path / "model.safetensors")[1].config == config


def test_ranking_does_not_depend_on_scale_and_bias() -> None:
    chosen, student = recipe("conditioned", model=OWN), model(OWN)
    step = step_of(chosen, student)
    texts, patches = step.texts.flatten(0, 1).detach(), step.image.patches.detach()
    before = conditioned_matrix(student.pool, texts, patches)
    with torch.no_grad():
        student.conditioned_logit_scale.fill_(1.0)
        student.conditioned_logit_bias.fill_(5.0)
        student.logit_scale.fill_(0.0)
    assert torch.equal(conditioned_matrix(student.pool, texts, patches), before)


def test_either_side_of_a_start_may_lack_the_parts(tmp_path: Path) -> None:
    """What the checkpoint lacks starts as the recipe says; what the recipe lacks is left out."""
    parts = {"conditioned_scale": True, "distillation_head": 8}
    without, having = SIZES, SIZES.model_copy(update=parts)
    for sizes, name in ((without, "without"), (having, "having")):
        torch.manual_seed(1)
        save_weights(GoldiClip(sizes), CheckpointInfo(sizes), tmp_path / f"{name}.safetensors")
    torch.manual_seed(2)
    begun = GoldiClip(having, conditioned=(0.5, -1.5))
    head = begun.distillation_head["agnostic"].mlp[0].weight.detach().clone()
    start_from(begun, tmp_path / "without.safetensors")
    assert (value(begun.conditioned_logit_scale), value(begun.conditioned_logit_bias)) == (0.5, -1.5)
    assert torch.equal(begun.distillation_head["agnostic"].mlp[0].weight, head)
    start_from(begun, tmp_path / "having.safetensors")
    assert value(begun.conditioned_logit_bias) == 0  # a checkpoint that has the parts gives them, as all weights
    plain = GoldiClip(without)
    start_from(plain, tmp_path / "having.safetensors")
    assert torch.equal(plain.vision.patches.weight, begun.vision.patches.weight)


def test_a_shipped_file_has_the_scale_and_no_head(tmp_path: Path) -> None:
    """Scale and bias say how sure a conditioned score is; heads only train."""
    sizes = SIZES.model_copy(update={"conditioned_scale": True, "distillation_head": 8})
    file = tmp_path / "slim.safetensors"
    save_weights(GoldiClip(sizes), CheckpointInfo(sizes), file, slim=True)
    loaded, info = load_weights(file)
    assert info.config == sizes and not hasattr(loaded, "distillation_head")
    assert value(loaded.conditioned_logit_scale) == pytest.approx(math.log(10))
