"""Self-distillation: its losses against closed forms, whom it trains, and the teacher."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import dense_losses
import pytest
import torch
import torch.nn.functional as F
from objective_cases import (
    DIM,
    SIZES,
    B,
    batch_of,
    gradients,
    model,
    recipe,
    step_of,
    units,
    value,
    vectors,
)
from torch.utils._python_dispatch import TorchDispatchMode

from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.data.images import CutImages, DrawnImages
from goldieval.goldiclip.ema import teacher_of, update_teacher
from goldieval.goldiclip.heads import DinoHead
from goldieval.goldiclip.losses import compute_losses
from goldieval.goldiclip.objectives.distillation import DinoLoss, cosine, info_nce, info_nce_floor
from goldieval.goldiclip.optimiser import clamp_logit_scales, parameter_groups
from goldieval.goldiclip.student import Student
from goldieval.scoring.conditioned import conditioned_matrix

TEN = torch.tensor(10.0)  # the logit scale by default


def test_dino_is_a_divergence_that_vanishes_at_agreement() -> None:
    loss = DinoLoss(16, student=0.1, teacher=0.05)
    loss.centre.copy_(vectors(16, seed=2) / 10)
    teacher = vectors(B, 16) / 5
    agreeing = ((teacher - loss.centre) * 2).requires_grad_()  # half the temperature
    loss(agreeing, teacher).backward()
    assert value(loss(agreeing, teacher)) == pytest.approx(0, abs=1e-6)
    assert agreeing.grad is not None and float(agreeing.grad.abs().max()) < 1e-6
    for seed in range(5):
        assert value(loss(vectors(B, 16, seed=seed), teacher)) > 0.01


def test_dino_is_cross_entropy_less_the_teachers_entropy() -> None:
    loss, student, teacher = DinoLoss(16), vectors(B, 2, 16) / 5, vectors(B, 1, 16, seed=1) / 5
    target = loss.targets(teacher)
    torch.testing.assert_close(target.sum(-1), torch.ones(B, 1))
    cross = -(target * (student / 0.1).log_softmax(-1)).sum(-1).mean()
    entropy = -(target * target.log()).sum(-1).mean()
    torch.testing.assert_close(loss(student, teacher), cross - entropy)
    student.requires_grad_()
    teacher.requires_grad_()
    loss(student, teacher).backward()
    assert teacher.grad is None and student.grad is not None
    expected = ((student / 0.1).softmax(-1) - target.detach()) / 0.1 / (2 * B)
    torch.testing.assert_close(student.grad, expected.detach(), atol=1e-6, rtol=1e-4)


def test_dino_centre_and_temperature() -> None:
    loss, logits = DinoLoss(4, momentum=0.9), vectors(2, 3, 4)
    before = torch.tensor([1.0, 2.0, 3.0, 4.0])
    loss.centre.copy_(before)
    loss.update_centre(logits)
    torch.testing.assert_close(loss.centre, 0.9 * before + 0.1 * logits.mean((0, 1)))
    assert "centre" in loss.state_dict()
    hard = DinoLoss(4, teacher=1e-3).targets(logits)
    torch.testing.assert_close(hard, F.one_hot(logits.argmax(-1), 4).float())


def test_cosine_and_info_nce_have_closed_forms() -> None:
    student, teacher = units(B, 2, DIM), units(B, 1, DIM, seed=1)
    torch.testing.assert_close(cosine(student, teacher), 1 - (student * teacher).sum(-1).mean())
    assert value(cosine(3 * teacher, teacher)) == pytest.approx(0, abs=1e-6)
    assert cosine(student.bfloat16(), teacher.bfloat16()).dtype == torch.float32  # near 1 bfloat16 has few steps
    gallery = units(B, DIM, seed=2)
    terms = [
        -(10 * student[i, view] @ gallery.T).log_softmax(-1)[i]  # image i is right
        for i in range(B)
        for view in range(2)
    ]
    torch.testing.assert_close(info_nce(student, gallery, TEN), torch.stack(terms).mean())


def showing(batch: Batch, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
    """Return the batch with whole pictures, changed, as its two local crops."""
    assert isinstance(batch.images, DrawnImages)
    pictures = batch.images.pictures
    local = change(pictures)[:, None].expand(-1, 2, -1, -1, -1)
    return replace(batch, images=CutImages(pictures, pictures[:, None], local))


class Memory(TorchDispatchMode):
    """Notes the largest tensor that an operation makes, in bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.largest = max(self.largest, made.untyped_storage().nbytes())
        return made


def test_text_agnostic_contrast_does_not_repeat_the_gallery() -> None:
    """At a batch of 4,096 a copy of it for each of 512 images would take 4 GiB."""
    chosen, student = recipe("distil_agnostic", batch_size=32, teacher={"loss": "info_nce"}), model()
    step = step_of(chosen, student)
    assert step.local_pooled.shape == (64, DIM) and step.teacher_pooled.shape == (32, DIM)
    with Memory() as memory:
        compute_losses(step)
    assert 0 < memory.largest <= 4 * 64 * DIM


def test_info_nce_tells_distinct_images_apart() -> None:
    same = units(B, DIM)
    assert value(info_nce(same[:, None], same, TEN)) < math.log(B) / 2
    alike = units(1, DIM).expand(B, -1)
    assert value(info_nce(alike[:, None], alike, TEN)) == pytest.approx(math.log(B), abs=1e-5)


DISTILS = [
    (name, form) for name in ("distil_agnostic", "distil_conditioned") for form in ("dino", "info_nce", "cosine")
]


@pytest.mark.parametrize(("name", "form"), DISTILS)
def test_distillation_trains_the_image_side_and_never_the_teacher(name: str, form: str) -> None:
    chosen, student = recipe(name, teacher={"loss": form}), model()
    step = step_of(chosen, student)
    compute_losses(step)[name].backward()
    trained = gradients(student)
    assert gradients(step.teacher) == {} and not any(weights.requires_grad for weights in step.teacher.parameters())
    assert float(trained["vision.patches.weight"].abs().max()) > 0
    assert not any(name.startswith("text") for name in trained)  # the query is detached
    assert any(part.startswith("pool.") for part in trained) == (name == "distil_conditioned")
    head = {"distil_agnostic": "agnostic_head", "distil_conditioned": "conditioned_head"}[name]
    assert any(part.startswith(head) for part in trained) == (form == "dino")
    student.pool(step.texts, step.image.patches).sum().backward()  # a query that is not detached would have trained it
    assert any(name.startswith("text") for name in gradients(student))


@pytest.mark.parametrize("name", ["distil_agnostic", "distil_conditioned"])
def test_dino_compares_each_local_view_with_the_whole_picture(name: str) -> None:
    """With whole pictures as crops and the student as teacher all views agree but for the temperatures."""
    chosen, student = recipe(name), model()
    step = step_of(chosen, student)
    step.batch = showing(step.batch, lambda pictures: pictures)
    part = step.state.agnostic if name == "distil_agnostic" else step.state.conditioned
    part.teacher = part.student
    assert value(compute_losses(step)[name]) == pytest.approx(0, abs=1e-5)
    assert bool(part.centre.any())
    rolled = step_of(chosen, student)
    rolled.state = step.state
    rolled.batch = showing(rolled.batch, lambda pictures: pictures.roll(1, 0))
    part.centre.zero_()
    assert value(compute_losses(rolled)[name]) > 1e-4


def test_contrastive_distillation_shares_the_caption_among_its_negatives() -> None:
    """Image i for caption j of image i against all images for that very caption; brute force."""
    chosen, student = recipe("distil_conditioned", teacher={"loss": "info_nce", "captions": 2}), model()
    step = step_of(chosen, student)
    loss = compute_losses(step)["distil_conditioned"]
    local, taught = step.local_crops.patches.view(8, 2, -1, DIM), step.teacher_image.patches
    terms = []
    for i in range(8):
        for caption in range(2):
            query = step.texts[i, caption][None, None]
            teachers = torch.cat([step.teacher.pool(query, taught[j : j + 1])[0] for j in range(8)])
            for view in range(2):
                ours = student.pool(query, local[i, view][None])[0, 0]
                logits = 10 * F.cosine_similarity(ours[None], teachers)
                terms.append(-logits.log_softmax(0)[i])
    assert value(loss) == pytest.approx(value(torch.stack(terms).mean()), abs=1e-5)


def test_text_alone_cannot_win_the_contrastive_distillation() -> None:
    """Where all pictures are the same, captions differ and yet nothing tells the positive from its negatives."""
    chosen, student = recipe("distil_conditioned", teacher={"loss": "info_nce"}), model()
    step = step_of(chosen, student)
    images = step.batch.images
    assert isinstance(images, DrawnImages)
    step.batch = replace(step.batch, images=replace(images, pictures=images.pictures[:1].expand(8, -1, -1, -1)))
    assert value(compute_losses(step)["distil_conditioned"]) == pytest.approx(math.log(8), abs=1e-4)


def test_teacher_is_a_moving_average() -> None:
    student, teacher = torch.nn.BatchNorm1d(4), teacher_of(torch.nn.BatchNorm1d(4))
    with torch.no_grad():
        student.weight.copy_(torch.arange(4.0))
        assert student.running_mean is not None
        student.running_mean.fill_(5)
    start = teacher.weight.clone()
    for _ in range(7):
        update_teacher(teacher, student, 0.9)
    torch.testing.assert_close(teacher.weight.detach(), 0.9**7 * start + (1 - 0.9**7) * student.weight.detach())
    assert teacher.running_mean is not None and teacher.running_mean.tolist() == [5] * 4  # buffers are copied
    frozen = teacher.weight.clone()
    update_teacher(teacher, student, 1.0)
    assert torch.equal(teacher.weight, frozen)
    update_teacher(teacher, student, 0.0)
    assert torch.equal(teacher.weight, student.weight)
    assert not teacher.weight.requires_grad and not teacher.training and student.weight.requires_grad


def test_teacher_and_student_are_the_same_model_at_the_start() -> None:
    student, pictures = model().eval(), vectors(3, 3, 32, 32)
    teacher, ids = teacher_of(student), batch_of(recipe("softmax")).captions.ids[:, 0]
    assert torch.equal(teacher.encode_image(pictures), student.encode_image(pictures))
    assert torch.equal(teacher.encode_text(ids), student.encode_text(ids))
    scores = [
        conditioned_matrix(one.pool, one.encode_text(ids), one.image_features(pictures).patches)
        for one in (student, teacher)
    ]
    assert torch.equal(*scores) and not set(map(id, teacher.parameters())) & set(map(id, student.parameters()))


def test_prototypes_see_only_directions() -> None:
    torch.manual_seed(0)
    head = DinoHead(DIM, 16)
    before = head(vectors(B, DIM))
    with torch.no_grad():
        head.prototypes.mul_(7)
    torch.testing.assert_close(head(vectors(B, DIM)), before)
    assert float(before.detach().abs().max()) <= 1


@pytest.mark.parametrize("common", [0.0, 3.0, 30.0], ids=["told apart", "alike", "nearly the same"])
def test_no_student_is_below_the_floor_of_contrastive_distillation(common: float) -> None:
    """Gradient descent on free vectors finds the least loss; where all is the same to the teacher, that is ln n."""
    teacher = vectors(16, DIM) + common * vectors(1, DIM, seed=1)
    floor = value(info_nce_floor(teacher, teacher, TEN))
    free = teacher.clone()[:, None].requires_grad_()
    optimiser = torch.optim.Adam([free], lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        loss = info_nce(free, teacher, TEN)
        loss.backward()
        optimiser.step()
    assert 0 <= floor <= value(loss) + 1e-5
    assert value(loss) - floor < 0.15 or common == 3.0
    same = teacher[:1].expand(16, -1)
    assert value(info_nce_floor(same, same, TEN)) == pytest.approx(math.log(16), abs=1e-4)


GOLDILOCKS = {
    "model": SIZES.model_copy(update={"distillation_head": 24}),
    "teacher": {"loss": "info_nce", "scale": 5.0, "largest_scale": 20.0},
}


@pytest.mark.parametrize("name", ["distil_agnostic", "distil_conditioned"])
def test_a_head_of_its_own_and_a_learned_scale(name: str) -> None:
    """Both are trained by the loss; the teacher's head is the average of the student's, and neither is in a scale."""
    chosen = recipe(name, **GOLDILOCKS)
    student = model(chosen.model)
    step = step_of(chosen, student)
    with torch.no_grad():
        for weights in step.teacher.distillation_head.parameters():
            weights.mul_(1.5)  # as if it had moved
    loss = compute_losses(step)[name]
    loss.backward()
    kind = name.removeprefix("distil_")
    trained = {part for part in gradients(student) if part.startswith("distillation_head.")}
    assert trained and all(part.startswith(f"distillation_head.{kind}.") for part in trained)
    assert gradients(step.teacher) == {} and float(gradients(step.state)[f"scales.{name}"].abs()) > 0
    assert [key for key, _ in step.state.named_parameters()] == [f"scales.{name}"]

    ours, theirs = student.distillation_head[kind].mlp, step.teacher.distillation_head[kind].mlp
    local = step.local_crops
    if kind == "agnostic":
        seen, taught = local.pooled.view(8, 2, -1), step.teacher_image.pooled
        expected = dense_losses.info_nce(ours(seen), theirs(taught), torch.tensor(5.0))
    else:
        seen = student.pool(step.texts.repeat_interleave(2, 0), local.patches).unflatten(0, (8, 2))
        taught = step.texts, step.teacher.pool, step.teacher_image.patches
        expected = dense_losses.same_caption(ours(seen), *taught, torch.tensor(5.0), theirs)
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)


def test_a_learned_scale_stays_within_its_bounds_and_comes_back() -> None:
    student = Student(recipe("distil_agnostic", "distil_conditioned", **GOLDILOCKS))
    scale = student.state.scales["distil_agnostic"]
    assert value(scale.exp()) == pytest.approx(5)
    for pushed, kept in ((7.0, 20.0), (-3.0, 1.0), (math.log(6), 6.0)):
        with torch.no_grad():
            scale.fill_(pushed)
        clamp_logit_scales(student)
        assert value(scale.exp()) == pytest.approx(kept)
    fixed = Student(recipe("distil_agnostic", **{**GOLDILOCKS, "teacher": {"loss": "info_nce", "scale": 5.0}}))
    assert not list(fixed.state.parameters())
    groups = parameter_groups(student, student.recipe)
    (owner,) = [group for group in groups if any(one is scale for one in group["params"])]
    assert owner["weight_decay"] == 0


def test_floors_are_subtracted_where_weights_are_relative() -> None:
    weighting = {"kind": "uncertainty", "relative": 1.0}
    names, student = ("softmax", "distil_agnostic", "distil_conditioned"), model(GOLDILOCKS["model"])
    plain = compute_losses(step_of(recipe(*names, **GOLDILOCKS), student))
    less = compute_losses(step_of(recipe(*names, **GOLDILOCKS, weighting=weighting), student))
    assert torch.equal(plain["softmax"], less["softmax"])
    assert all(0 < value(less[name]) < value(plain[name]) - 0.1 for name in names[1:])
