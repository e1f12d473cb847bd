"""Every objective against its closed form, a plain loop or open_clip; two processes against one."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
import torch.multiprocessing as mp
import torch.nn.functional as F
from accelerate.state import AcceleratorState
from open_clip.loss import ClipLoss, SigLipLoss
from torch.utils._python_dispatch import TorchDispatchMode

from goldieval.goldiclip.config import ModelConfig
from goldieval.goldiclip.data.batches import Batch, Batches
from goldieval.goldiclip.data.shapes import ShapesCorpus, shapes_corpus
from goldieval.goldiclip.data.sources import views_of
from goldieval.goldiclip.ema import teacher_of, update_teacher
from goldieval.goldiclip.losses import Losses, Step, unit
from goldieval.goldiclip.model import DinoHead, GoldiClip
from goldieval.goldiclip.objectives.conditioned import conditioned_sigmoid, sampled_columns
from goldieval.goldiclip.objectives.contrastive import sigmoid_contrastive, softmax_contrastive
from goldieval.goldiclip.objectives.decoding import IGNORE, targets_of
from goldieval.goldiclip.objectives.distillation import DinoLoss, cosine, info_nce
from goldieval.goldiclip.objectives.foils import foil_loss
from goldieval.goldiclip.objectives.token_classes import InverseDocumentFrequency, k_hot, token_class_loss
from goldieval.goldiclip.objectives.uncertainty import HIGHEST, LOWEST, UncertaintyWeights
from goldieval.goldiclip.peer_losses import PEERS
from goldieval.goldiclip.pooling import TextConditionedPool
from goldieval.goldiclip.recipe import Objective, Recipe
from goldieval.goldiclip.student import Student
from goldieval.goldiclip.tokenizer import Tokenizer
from goldieval.goldiclip.trainer import Trainer
from goldieval.scoring.conditioned import conditioned_matrix

B, K, DIM = 4, 3, 32
SCALE, BIAS = torch.tensor(12.0), torch.tensor(-6.0)
CONTRASTS = ("softmax", "sigmoid", "conditioned")
SIZES = ModelConfig(
    image_size=32,
    vision_width=32,
    vision_layers=2,
    vision_heads=2,
    text_width=32,
    text_layers=2,
    text_heads=2,
    embed_dim=32,
    merges=300,
    prototypes=16,
    token_classes=True,
    decoder="through_encoder",
)


def seeded(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def vectors(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(seed))


def units(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(vectors(*shape, seed=seed), dim=-1)


def value(loss: torch.Tensor) -> float:
    return float(loss.detach())


@pytest.fixture
def pool() -> TextConditionedPool:
    torch.manual_seed(0)
    return TextConditionedPool(DIM, 4)


# Contrast


def test_softmax_is_open_clips_for_each_caption() -> None:
    images, texts = units(B, DIM), units(B, K, DIM, seed=1)
    theirs = torch.stack([ClipLoss()(images, texts[:, caption], SCALE) for caption in range(K)]).mean()
    torch.testing.assert_close(softmax_contrastive(images, texts, images, texts, SCALE), theirs)


def test_sigmoid_is_siglip_for_one_caption_and_a_plain_sum_for_several() -> None:
    images, texts = units(B, DIM), units(B, K, DIM, seed=1)
    one = sigmoid_contrastive(images, texts[:, :1], SCALE, BIAS)
    torch.testing.assert_close(one, SigLipLoss()(images, texts[:, 0], SCALE, BIAS))
    terms = [
        -F.logsigmoid((1 if i == j else -1) * (SCALE * images[i] @ texts[j, k] + BIAS))
        for i in range(B)
        for j in range(B)
        for k in range(K)
    ]
    torch.testing.assert_close(sigmoid_contrastive(images, texts, SCALE, BIAS), torch.stack(terms).sum() / (B * K))


@pytest.mark.parametrize(("images", "captions"), [(1, 1), (1, 4), (5, 1), (6, 4)])
def test_columns_are_ones_own_and_one_of_each_other_image(images: int, captions: int) -> None:
    columns = sampled_columns(images, captions, seeded())
    assert columns.shape == (images, images + captions - 1)
    for row, line in enumerate(columns.tolist()):
        assert line == sorted(line)
        assert line[row : row + captions] == list(range(row * captions, (row + 1) * captions))
        owners = [column // captions for column in line]
        assert sorted(owners) == sorted([row] * captions + [other for other in range(images) if other != row])


def test_foreign_captions_are_drawn_anew_and_all_of_them() -> None:
    assert torch.equal(sampled_columns(8, 4, seeded()), sampled_columns(8, 4, seeded()))
    assert not torch.equal(sampled_columns(8, 4, seeded()), sampled_columns(8, 4, seeded(1)))
    assert set(sampled_columns(40, 4, seeded())[0, 4:].remainder(4).tolist()) == {0, 1, 2, 3}


def test_a_share_of_the_images_has_its_rows_of_all_columns() -> None:
    everyone = sampled_columns(8, 3, seeded())
    shares = [sampled_columns(8, 3, seeded(), range(first, first + 4)) for first in (0, 4)]
    assert torch.equal(torch.cat(shares), everyone)


def test_zero_features_give_the_closed_form(pool: TextConditionedPool) -> None:
    plus, minus = F.softplus(-BIAS), F.softplus(BIAS)
    sigmoid = sigmoid_contrastive(torch.zeros(B, DIM), torch.zeros(B, K, DIM), SCALE, BIAS)
    torch.testing.assert_close(sigmoid, plus + (B - 1) * minus)
    columns = sampled_columns(B, K, seeded())
    conditioned = conditioned_sigmoid(pool, vectors(B, 5, DIM), torch.zeros(B, K, DIM), columns, SCALE, BIAS)
    torch.testing.assert_close(conditioned, B * (K * plus + (B - 1) * minus) / (B + K - 1))


def test_foreign_pairs_alone_have_no_positive(pool: TextConditionedPool) -> None:
    """What another process's rows would be: none of the captions is ours."""
    texts, columns = torch.zeros(B, K, DIM), sampled_columns(B, K, seeded())
    sigmoid = sigmoid_contrastive(torch.zeros(B, DIM), texts, SCALE, BIAS, first=B)
    torch.testing.assert_close(sigmoid, B * F.softplus(BIAS))
    conditioned = conditioned_sigmoid(pool, vectors(B, 5, DIM), texts, columns, SCALE, BIAS, first=B)
    torch.testing.assert_close(conditioned, B * F.softplus(BIAS))


def every_column(images: int, captions: int) -> torch.Tensor:
    return torch.arange(images * captions).expand(images, -1)


@pytest.mark.parametrize("loss", CONTRASTS)
def test_order_of_images_does_not_matter(loss: str, pool: TextConditionedPool) -> None:
    images, patches, texts = units(B, DIM), vectors(B, 5, DIM), units(B, K, DIM, seed=1)
    order = torch.tensor([2, 0, 3, 1])
    by_name: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "softmax": lambda o: softmax_contrastive(images[o], texts[o], images[o], texts[o], SCALE),
        "sigmoid": lambda o: sigmoid_contrastive(images[o], texts[o], SCALE, BIAS),
        "conditioned": lambda o: conditioned_sigmoid(pool, patches[o], texts[o], every_column(B, K), SCALE, BIAS),
    }
    torch.testing.assert_close(by_name[loss](order), by_name[loss](torch.arange(B)))
    only_texts = {"softmax": softmax_contrastive(images, texts[order], images, texts[order], SCALE)}
    only_texts["sigmoid"] = sigmoid_contrastive(images, texts[order], SCALE, BIAS)
    only_texts["conditioned"] = conditioned_sigmoid(pool, patches, texts[order], every_column(B, K), SCALE, BIAS)
    assert abs(value(only_texts[loss]) - value(by_name[loss](torch.arange(B)))) > 1e-3


def test_a_negative_is_conditioned_on_the_caption_it_is_compared_with(pool: TextConditionedPool) -> None:
    patches, texts, columns = vectors(B, 5, DIM), vectors(B, K, DIM, seed=1), sampled_columns(B, K, seeded())
    flat = texts.flatten(0, 1)

    def plain(condition: Callable[[int, int], int]) -> torch.Tensor:
        """Pool image i for caption ``condition(i, c)`` and compare it with caption c."""
        terms = []
        for i, line in enumerate(columns.tolist()):
            for c in line:
                pooled = pool(flat[None, condition(i, c), None], patches[None, i])[0, 0]
                sign = 1 if c // K == i else -1
                terms.append(-F.logsigmoid(sign * (SCALE * F.cosine_similarity(pooled, flat[c], dim=0) + BIAS)))
        return torch.stack(terms).sum() / (B + K - 1)

    ours = conditioned_sigmoid(pool, patches, texts, columns, SCALE, BIAS)
    torch.testing.assert_close(ours, plain(lambda i, c: c), atol=1e-5, rtol=1e-5)
    assert abs(value(ours) - value(plain(lambda i, c: i * K))) > 1e-3  # conditioned on one's own caption


# Distillation


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
    gallery = units(B, B, DIM, seed=2)
    terms = [
        -(10 * student[i, view] @ gallery[i].T).log_softmax(-1)[i]  # image i is right, for row i's caption
        for i in range(B)
        for view in range(2)
    ]
    torch.testing.assert_close(info_nce(student, gallery), torch.stack(terms).mean())


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
    assert step.local.pooled.shape == (64, DIM) and step.taught.pooled.shape == (32, DIM)
    with Memory() as memory:
        Losses(chosen)(step)
    assert 0 < memory.largest <= 4 * 64 * DIM


def test_info_nce_tells_distinct_images_apart() -> None:
    same = units(B, DIM)
    assert value(info_nce(same[:, None], same[None].expand(B, -1, -1))) < math.log(B) / 2
    alike = units(1, DIM).expand(B, -1)
    assert value(info_nce(alike[:, None], alike[None].expand(B, -1, -1))) == pytest.approx(math.log(B), abs=1e-5)


# A step of a whole tiny model


@cache
def corpus() -> ShapesCorpus:
    return shapes_corpus(32, 32, Tokenizer(SIZES.merges, SIZES.context_length))


def recipe(*objectives: str, batch_size: int = 8, **changes: Any) -> Recipe:
    content = {
        "name": "test",
        "title": "test",
        "model": SIZES,
        "data": {"scenes": 32, "captions": 2, "locals": 2, "local_size": 16},
        "objectives": dict.fromkeys(objectives, 1.0),
        "optimiser": {"steps": 3, "batch_size": batch_size, "warm_up": 1},
    }
    return Recipe.model_validate({**content, **changes})


def batch_of(chosen: Recipe, rank: int = 0, world: int = 1, step: int = 0) -> Batch:
    tokenizer = Tokenizer(SIZES.merges, SIZES.context_length)
    return Batches(corpus(), tokenizer, views_of(chosen), chosen.optimiser.batch_size, 0, rank, world).at(step)


def model(sizes: ModelConfig = SIZES) -> GoldiClip:
    torch.manual_seed(0)
    return GoldiClip(sizes)


def step_of(chosen: Recipe, student: GoldiClip, teacher: GoldiClip | None = None, **share: int) -> Step:
    return Step(student, teacher or teacher_of(student), batch_of(chosen, **share), seeded(7))


def gradients(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: weights.grad for name, weights in module.named_parameters() if weights.grad is not None}


DISTILS = [
    (name, form) for name in ("distil_agnostic", "distil_conditioned") for form in ("dino", "info_nce", "cosine")
]


@pytest.mark.parametrize(("name", "form"), DISTILS)
def test_distillation_trains_the_image_side_and_never_the_teacher(name: str, form: str) -> None:
    chosen, student = recipe(name, teacher={"loss": form}), model()
    step = step_of(chosen, student)
    Losses(chosen)(step)[name].backward()
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
    step.batch.crops = step.batch.whole[:, None].expand(-1, 2, -1, -1, -1)
    losses = Losses(chosen)
    part = losses.agnostic if name == "distil_agnostic" else losses.conditioned
    part.teacher = part.student
    assert value(losses(step)[name]) == pytest.approx(0, abs=1e-5)
    assert bool(part.centre.any())
    rolled = step_of(chosen, student)
    rolled.batch.crops = rolled.batch.whole.roll(1, 0)[:, None].expand(-1, 2, -1, -1, -1)
    part.centre.zero_()
    assert value(losses(rolled)[name]) > 1e-4


def test_contrastive_distillation_shares_the_caption_among_its_negatives() -> None:
    """Image i for caption j of image i against all images for that very caption; brute force."""
    chosen, student = recipe("distil_conditioned", teacher={"loss": "info_nce", "captions": 2}), model()
    step = step_of(chosen, student)
    loss = Losses(chosen)(step)["distil_conditioned"]
    local, taught = step.local.patches.view(8, 2, -1, DIM), step.taught.patches
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
    step.batch.whole = step.batch.whole[:1].expand(8, -1, -1, -1)
    assert value(Losses(chosen)(step)["distil_conditioned"]) == pytest.approx(math.log(8), abs=1e-4)


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
    teacher, ids = teacher_of(student), batch_of(recipe("softmax")).captions[:, 0]
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


# Token classes


def test_k_hot_has_ones_at_the_distinct_ordinary_ids() -> None:
    hot = k_hot([[5, 5, 2, 0], [9], []], 10, special=(8, 9))
    assert [row.nonzero().flatten().tolist() for row in hot] == [[0, 2, 5], [], []]
    assert set(hot.unique().tolist()) == {0.0, 1.0}


def test_document_frequencies_count_online_as_offline() -> None:
    hot = (torch.rand(30, 12, generator=seeded()) < 0.4).float()
    hot[:, 0], hot[:, 1] = 1, 0
    online = InverseDocumentFrequency(12)
    for rows in hot.split([4, 1, 20, 5]):
        online.count(rows)
    torch.testing.assert_close(online.weights(), (31 / (hot.sum(0) + 1)).log())
    assert float(online.weights()[0]) == 0 and float(online.weights()[1]) == pytest.approx(math.log(31))
    assert bool((online.weights() >= 0).all()) and set(online.state_dict()) == {"frequency", "documents"}


def test_document_frequencies_stay_exact_and_read_what_older_checkpoints_hold() -> None:
    """27 M images for 32 epochs are more than float32 can count; counts were float64 once."""
    many, hot = 27_000_001 * 32, torch.eye(12)[:3]
    counted = InverseDocumentFrequency(12)
    older = torch.full((12,), many, dtype=torch.float64)
    counted.load_state_dict({"frequency": older, "documents": older[0]})
    counted.count(hot)
    assert int(counted.documents) == many + 3 and counted.frequency.tolist() == [many + 1] * 3 + [many] * 9


def test_nothing_that_is_trained_needs_a_device_with_float64() -> None:
    """Apple's GPUs have none."""
    student = Student(recipe(*ALL, weighting={"kind": "uncertainty"}))
    assert student.losses.documents.weights().dtype == torch.float32
    assert {tensor.dtype for tensor in student.state_dict().values()} == {torch.float32, torch.int64}


def test_token_class_loss_has_its_gradient_and_its_minimum() -> None:
    logits = vectors(B, 12).requires_grad_()
    hot = k_hot([[1, 2], [3], [4, 5, 6], []], 12)
    weights = torch.rand(12, generator=seeded()) + 0.1
    loss = token_class_loss(logits, hot, weights)
    loss.backward()
    target = hot * weights
    target[:3] /= target[:3].sum(1, keepdim=True)
    torch.testing.assert_close(target.sum(1), torch.tensor([1.0, 1, 1, 0]))
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad[:3], ((logits.softmax(1) - target) / B).detach()[:3])
    assert not bool(logits.grad[3].any())  # a caption without a target counts nothing
    entropy = -(target * target.clamp_min(1e-30).log()).sum(1).mean()
    torch.testing.assert_close(token_class_loss(target.clamp_min(1e-30).log(), hot, weights), entropy)
    assert value(loss) > value(entropy)
    parts = [token_class_loss(logits[i : i + 1], hot[i : i + 1], weights) for i in range(B)]
    torch.testing.assert_close(torch.stack(parts).mean(), loss)


@pytest.mark.parametrize("targets", ["captions", "image"])
def test_token_targets_are_all_that_is_said_untruncated_without_frame_or_padding(targets: str) -> None:
    """The loss is the divergence from the target: cross-entropy less the target's own entropy."""
    chosen, student = recipe("token_classes", data={"scenes": 32, "captions": 2, "token_targets": targets}), model()
    step, losses = step_of(chosen, student), Losses(chosen)
    loss = losses(step)["token_classes"]
    sets = [{id for caption in own for id in caption} for own in step.batch.said]
    drawn = [{id for caption in own for id in caption} for own in step.batch.caption_ids]
    joins = set(Tokenizer(SIZES.merges, SIZES.context_length).ids("."))
    assert (sets == drawn) == (targets == "captions")
    assert all(some <= everything | joins for some, everything in zip(drawn, sets, strict=True))
    df = torch.tensor([sum(id in ids for ids in sets) for id in range(SIZES.vocab_size)])
    assert losses.documents.frequency.tolist() == df.tolist() and int(losses.documents.documents) == 8
    assert int(df[-2:].sum()) == 0  # start and end of text
    log_softmax = student.token_head(step.image.raw).log_softmax(1)
    terms = []
    for row, ids in enumerate(sets):
        weight = {id: math.log(9 / (int(df[id]) + 1)) for id in ids}
        share = {id: weight[id] / sum(weight.values()) for id in ids if weight[id]}
        terms.append(sum(share[id] * (math.log(share[id]) - log_softmax[row, id]) for id in share))
    assert value(loss) == pytest.approx(sum(map(value, terms)) / 8, rel=1e-4)


def test_token_targets_go_on_where_the_context_ends() -> None:
    """What the text encoder does not get to read is still a target."""
    short = SIZES.model_copy(update={"context_length": 6})
    chosen = recipe("token_classes", model=short)
    batch = Batches(corpus(), Tokenizer(short.merges, 6), views_of(chosen), 8, 0).at(0)
    losses, read = Losses(chosen), {int(id) for id in batch.captions.unique()}
    losses(Step(model(short), model(short), batch, seeded()))
    targets = {id for id, count in enumerate(losses.documents.frequency.tolist()) if count}
    assert targets > read - {0, short.end_of_text, short.end_of_text - 1} and len(targets) > len(read) + 10


@pytest.mark.parametrize(
    ("number", "active"), [(0, {"token_classes"}), (1, {"token_classes"}), (2, {"token_classes", "softmax"})]
)
def test_a_warm_start_leaves_the_other_objectives_out(number: int, active: set[str]) -> None:
    start = {"steps": 2, "objectives": ["token_classes"]}
    chosen = recipe("token_classes", "softmax", warm_start=start, weighting={"kind": "uncertainty"})
    torch.manual_seed(0)
    student = Student(chosen)
    step = Step(student.model, teacher_of(student.model), batch_of(chosen), seeded(7), number)
    total, losses = student(step)
    total.backward()
    assert student.weights is not None and set(losses) == active
    assert {name for name, s in student.weights.s.items() if s.grad is not None} == active
    assert ("text.embedding.weight" in gradients(student.model)) == ("softmax" in active)


# Foils


def test_foil_loss_is_the_mean_surprise_at_the_true_caption() -> None:
    scores = torch.randn(4, 3, generator=seeded()).requires_grad_()
    real = torch.tensor([[1, 1, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]]).bool()
    terms = [-scores[row, real[row]].log_softmax(0)[0] for row in (0, 1, 3)]
    loss = foil_loss(scores, real)
    torch.testing.assert_close(loss, torch.stack(terms).mean())
    loss.backward()
    assert scores.grad is not None and not scores.grad[~real].any()
    assert value(foil_loss(scores, torch.zeros(4, 3).bool())) == 0


@pytest.mark.parametrize("objective", ["foils", "foils_conditioned"])
def test_foils_by_a_loop(objective: str) -> None:
    """A plain loop over the groups that the data draw."""
    data = {"scenes": 32, "captions": 2, "foils": 2}
    chosen, student = recipe(objective, batch_size=32, data=data), model()
    step = step_of(chosen, student)
    groups = [(row, group) for row, real in enumerate(step.batch.foiled) for group in range(2) if real[group, 0]]
    rows = Counter(row for row, _ in groups)
    assert set(rows.values()) == {1, 2} and len(rows) < len(step.batch.foiled)  # of some scenes there are one or none
    terms = []
    for row, group in groups:
        texts = student.encode_text(step.batch.foils[row, group])
        conditioned = student.pool(texts[None], step.image.patches[row : row + 1])[0]
        image = conditioned if objective == "foils_conditioned" else step.image.pooled[row : row + 1]
        terms.append(-(student.logit_scale.exp() * (unit(image) * unit(texts)).sum(-1)).log_softmax(0)[0])
    torch.testing.assert_close(Losses(chosen)(step)[objective], torch.stack(terms).mean(), atol=1e-5, rtol=1e-4)


def test_foils_are_drawn_last() -> None:
    """With and without them everything else of a batch is the same."""
    with_foils, without = batch_of(recipe("softmax", "foils")), batch_of(recipe("softmax"))
    assert with_foils.caption_ids == without.caption_ids and torch.equal(with_foils.question, without.question)
    assert torch.equal(with_foils.crops, without.crops) and not without.foiled.any()


# Uncertainty weights


def test_derivative_minimum_and_scale_of_an_uncertainty_weight() -> None:
    weights = UncertaintyWeights({"a": 1.0}, warm_up=0)
    for s, loss in ((0.3, 2.0), (-1.0, 0.1)):
        weights.s["a"].data.fill_(s)
        weights.s["a"].grad = None
        weights({"a": torch.tensor(loss)}).backward()
        assert float(weights.s["a"].grad) == pytest.approx(0.5 * (1 - math.exp(-s) * loss), rel=1e-5)
    for factor in (1.0, 8.0):  # at s = ln L the network's gradient is that of ln L / 2, whatever L is multiplied by
        feature = torch.tensor(3.0, requires_grad=True)
        weights.s["a"].data.fill_(math.log(factor * 9))
        weights.s["a"].grad = None
        weights({"a": factor * feature**2}).backward()
        assert feature.grad is not None and float(feature.grad) == pytest.approx(0.5 * 2 / 3, rel=1e-5)
        assert float(weights.s["a"].grad) == pytest.approx(0, abs=1e-6)
        assert weights.weights()["a"] == pytest.approx(0.5 / (factor * 9), rel=1e-5)


def test_what_matters_more_multiplies_the_gradient_and_leaves_the_rest_point() -> None:
    weights = UncertaintyWeights({"a": 3.0, "b": 1.0}, warm_up=0)
    losses = {name: torch.tensor(2.0, requires_grad=True) for name in "ab"}
    for s in weights.s.values():
        s.data.fill_(math.log(2.0))
    weights(losses).backward()
    assert value(losses["a"].grad) == pytest.approx(3 * value(losses["b"].grad)) == pytest.approx(3 * 0.25)
    assert weights.weights() == {"a": pytest.approx(0.75), "b": pytest.approx(0.25)}
    assert [value(s.grad) for s in weights.s.values()] == pytest.approx([0, 0], abs=1e-6)


def test_weights_and_losses_sum_to_the_total() -> None:
    weights = UncertaintyWeights(dict.fromkeys(["a", "b"], 1.0), warm_up=0)
    weights.s["a"].data.fill_(1.5)
    losses = {"a": torch.tensor(4.0), "b": torch.tensor(0.3)}
    by_hand = sum(weights.weights()[name] * float(loss) + float(weights.s[name]) / 2 for name, loss in losses.items())
    assert value(weights(losses)) == pytest.approx(by_hand)


def test_starts_at_the_logarithm_of_the_mean_of_the_first_steps() -> None:
    """Of the steps in which the loss was active; from then on the optimiser alone moves it."""
    weights = UncertaintyWeights(dict.fromkeys(["a", "rare"], 1.0), warm_up=3)
    for number in range(8):
        losses = {"a": torch.tensor(float(number + 1))} | ({"rare": torch.tensor(7.0)} if number == 5 else {})
        weights(losses)
    assert value(weights.s["a"]) == pytest.approx(math.log(2))
    assert value(weights.s["rare"]) == pytest.approx(math.log(7))
    assert weights.seen.tolist() == [3, 1]
    asked = UncertaintyWeights({"a": 1.0}).eval()
    asked({"a": torch.tensor(5.0)})
    assert value(asked.s["a"]) == 0  # evaluation leaves no trace


def run(weights: UncertaintyWeights, losses: dict[str, float], steps: int) -> None:
    optimiser = torch.optim.AdamW(weights.parameters(), lr=1e-2, weight_decay=0)
    for _ in range(steps):
        optimiser.zero_grad()
        weights({name: torch.tensor(loss) for name, loss in losses.items()}).backward()
        optimiser.step()


def test_short_run_converges_to_the_logarithm_and_masked_losses_stay() -> None:
    """The losses fell to a quarter after the first steps, so that the weights have a way to go."""
    weights = UncertaintyWeights(dict.fromkeys(["large", "middle", "small", "masked"], 1.0), warm_up=5)
    for _ in range(5):
        weights({"large": torch.tensor(160.0), "middle": torch.tensor(8.0), "small": torch.tensor(0.8)})
    weights.s["masked"].data.fill_(0.75)
    run(weights, {"large": 40.0, "middle": 2.0, "small": 0.2}, 300)
    for name, loss in (("large", 40.0), ("middle", 2.0), ("small", 0.2)):
        assert abs(value(weights.s[name]) - math.log(loss)) < 0.1
    assert value(weights.s["masked"]) == 0.75
    assert weights.s["masked"].grad is None


def test_bounds_are_kept_and_do_not_hold_a_weight_for_ever() -> None:
    """Adam steps past a bound; where the loss turns, the weight must come back."""
    weights = UncertaintyWeights(dict.fromkeys(["a", "b"], 1.0), warm_up=1)
    weights({"a": torch.tensor(1e-9), "b": torch.tensor(1e9)})
    assert (value(weights.s["a"]), value(weights.s["b"])) == (LOWEST, HIGHEST)
    run(weights, {"a": 1e-9, "b": 1e9}, 50)
    assert 0.5 * math.exp(-HIGHEST) * 0.999 <= weights.weights()["b"] < weights.weights()["a"]
    assert weights.weights()["a"] <= 0.5 * math.exp(-LOWEST) * 1.001
    run(weights, {"a": 1.0, "b": 1.0}, 300)
    assert value(weights.s["a"]) > LOWEST + 1 and value(weights.s["b"]) < HIGHEST - 1


def test_weights_stay_float32_under_autocast() -> None:
    weights = UncertaintyWeights({"a": 1.0}, warm_up=0)
    weights.s["a"].data.fill_(0.1234567)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total = weights({"a": torch.tensor(1.2345678).bfloat16()})
    assert total.dtype == torch.float32 and weights.s["a"].dtype == torch.float32
    loss = float(torch.tensor(1.2345678).bfloat16())
    assert value(total) == pytest.approx(0.5 * math.exp(-0.1234567) * loss + 0.5 * 0.1234567, rel=1e-6)


# Two processes


ALL = tuple(name for name in get_args(Objective) if name not in PEERS)
FORMS = [f"{name} {form}" for name in ("distil_agnostic", "distil_conditioned") for form in ("info_nce", "cosine")]
CASES = (*ALL, *FORMS, "caption in_encoder", "vqa in_encoder")


def case(name: str) -> Recipe:
    """A recipe of one objective; a second word is the form of distillation or the decoder."""
    objective, _, form = name.partition(" ")
    data = {"scenes": 32, "captions": 2, "locals": 2, "local_size": 16, "questions": 3}
    if form == "in_encoder":
        return recipe(objective, data=data, model=SIZES.model_copy(update={"decoder": form}))
    return recipe(objective, data=data, teacher={"loss": form or "dino"})


def worker(rank: int, world: int, folder: str) -> None:
    """Write what one of several processes computes of its share."""
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world), ACCELERATE_USE_CPU="true")
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0")
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    torch.save(computed(rank, world, Path(folder)), f"{folder}/{rank}.pt")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def computed(rank: int, world: int, folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name in CASES:
        chosen = case(name)
        losses, student = Losses(chosen), model(chosen.model)
        (loss,) = losses(step_of(chosen, student, rank=rank, world=world)).values()
        loss.backward()
        result[name] = _mean(loss.detach(), world), {k: _mean(g, world) for k, g in gradients(student).items()}
        result[name + " centres"] = [losses.agnostic.centre, losses.conditioned.centre]
    documents = InverseDocumentFrequency(12)
    hot = (torch.rand(6, 12, generator=seeded()) < 0.4).float()
    for rows in hot.split(2):
        documents.count(rows[rank::world])
    result["documents"] = documents.state_dict(), documents.weights()
    weights = UncertaintyWeights({"a": 1.0})
    weights({"a": torch.tensor([1.0, 5.0])[rank::world].mean()})
    result["s"] = weights.s["a"].detach()
    for objectives, kind in ((ALL, "uncertainty"), (("softmax",), "fixed")):
        chosen = recipe(*objectives, weighting={"kind": kind, "warm_up": 1})
        reports = list(Trainer(chosen, folder / "run", corpus=corpus()).steps())
        result[f"trained {kind}"] = [report.losses for report in reports]
        result[f"norms {kind}"] = [report.gradient_norm for report in reports]
    return result


def _mean(tensor: torch.Tensor, world: int) -> torch.Tensor:
    """Average as a wrapper for several processes does it with gradients."""
    if world > 1:
        torch.distributed.all_reduce(tensor)
    return tensor / world


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Two processes' results, each on its share; and those of one on the joined batch. All in full precision:
    accelerate keeps the first one of a process, and hands it on to its children by the environment."""
    AcceleratorState._reset_state(reset_partial_state=True)
    os.environ.pop("ACCELERATE_MIXED_PRECISION", None)
    folder = tmp_path_factory.mktemp("two")
    started = mp.start_processes(worker, (2, str(folder)), nprocs=2, join=False, start_method="spawn")
    alone = computed(0, 1, folder)
    while not started.join(timeout=100):
        pass
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)], alone


Together = tuple[list[dict[str, Any]], dict[str, Any]]


@pytest.mark.parametrize("name", CASES)
def test_two_processes_equal_one_on_the_joined_batch(name: str, together: Together) -> None:
    """The same captions are drawn as negatives; loss and every gradient agree."""
    (ours, other), (loss, expected) = together[0], together[1][name]
    torch.testing.assert_close(ours[name][0], loss, atol=1e-5, rtol=1e-5)
    assert ours[name][1].keys() == expected.keys() == other[name][1].keys()
    for part, gradient in expected.items():
        torch.testing.assert_close(ours[name][1][part], gradient, atol=1e-5, rtol=1e-3, msg=part)
    for mine, theirs in zip(ours[f"{name} centres"], together[1][f"{name} centres"], strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-4)


def test_shares_of_the_two_processes_are_told_apart(together: Together) -> None:
    """Else equality would say little: answers of both are not equally long, and no loss is the same in both shares."""
    targets = [
        int((targets_of(batch_of(case("vqa"), rank, 2).answer.flatten(0, 1), SIZES.end_of_text) != IGNORE).sum())
        for rank in range(2)
    ]
    assert targets[0] != targets[1]
    assert set(together[1]) >= set(CASES) and all(value(together[1][name][0]) > 0 for name in CASES)


def test_document_frequencies_of_two_processes(together: Together) -> None:
    hot = (torch.rand(6, 12, generator=seeded()) < 0.4).long()
    for state, weights in [part["documents"] for part in together[0]]:
        assert float(state["documents"]) == 6 and torch.equal(state["frequency"], hot.sum(0))
        torch.testing.assert_close(weights, (7 / (hot.sum(0) + 1)).log())


def test_loss_weights_start_alike_in_all_processes(together: Together) -> None:
    assert [float(part["s"]) for part in together[0]] == [pytest.approx(math.log(3))] * 2


@pytest.mark.parametrize("kind", ["uncertainty", "fixed"])
def test_two_processes_train_as_one(kind: str, together: Together) -> None:
    """Three steps of the trainer, also where an objective leaves half of the model without a gradient."""
    parts, alone = together
    assert len(alone[f"trained {kind}"]) == 3
    for step, expected in enumerate(alone[f"trained {kind}"]):
        for name, loss in expected.items():
            mean = sum(part[f"trained {kind}"][step][name] for part in parts) / 2
            assert mean == pytest.approx(loss, rel=2e-3), (step, name)
    for part in parts:
        assert part[f"norms {kind}"] == pytest.approx(alone[f"norms {kind}"], rel=2e-2)
