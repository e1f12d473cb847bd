"""Token classification and foils: closed forms, plain loops, and which objectives are active in a step."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from batch_contents import caption_ids, token_sets
from objective_cases import (
    ALL,
    SIZES,
    B,
    batch_of,
    corpus,
    gradients,
    model,
    recipe,
    seeded,
    step_of,
    value,
    vectors,
)

from goldieval.goldiclip.data.batches import Batches
from goldieval.goldiclip.features import StepFeatures
from goldieval.goldiclip.heads import TokenHead
from goldieval.goldiclip.losses import compute_losses
from goldieval.goldiclip.objective_state import ObjectiveState
from goldieval.goldiclip.objectives.foils import foil_loss
from goldieval.goldiclip.objectives.token_classes import InverseDocumentFrequency, TokenTargets, token_class_loss
from goldieval.goldiclip.precision import unit
from goldieval.goldiclip.student import Student
from goldieval.goldiclip.tokenizer import Tokenizer


def test_document_frequencies_count_online_as_offline() -> None:
    has = torch.rand(30, 12, generator=seeded()) < 0.4
    has[:, 0], has[:, 1] = True, False
    online = InverseDocumentFrequency(12)
    for rows in has.split([4, 1, 20, 5]):
        online.count(rows.nonzero()[:, 1], len(rows))
    torch.testing.assert_close(online.weights(), (31 / (has.sum(0) + 1)).log())
    assert float(online.weights()[0]) == 0 and float(online.weights()[1]) == pytest.approx(math.log(31))
    assert bool((online.weights() >= 0).all()) and set(online.state_dict()) == {"frequency", "documents"}


def test_document_frequencies_stay_exact_and_read_what_older_checkpoints_hold() -> None:
    """27 M images for 32 epochs are more than float32 can count; counts were float64 once."""
    many = 27_000_001 * 32
    counted = InverseDocumentFrequency(12)
    older = torch.full((12,), many, dtype=torch.float64)
    counted.load_state_dict({"frequency": older, "documents": older[0]})
    counted.count(torch.tensor([0, 1, 2]), 3)
    assert int(counted.documents) == many + 3 and counted.frequency.tolist() == [many + 1] * 3 + [many] * 9


def test_nothing_that_is_trained_needs_a_device_with_float64() -> None:
    """Apple's GPUs have none."""
    student = Student(recipe(*ALL, weighting={"kind": "uncertainty"}))
    assert student.state.documents.weights().dtype == torch.float32
    assert {tensor.dtype for tensor in student.state_dict().values()} == {torch.float32, torch.int64}


def targets_of(ids: list[list[int]], weights: torch.Tensor) -> TokenTargets:
    rows = torch.tensor([row for row, own in enumerate(ids) for _ in own], dtype=torch.long)
    starts = torch.tensor([0, *map(len, ids)]).cumsum(0)
    flat = torch.tensor([id for own in ids for id in own], dtype=torch.long)
    return TokenTargets.of(flat, rows, starts, weights)


def test_token_class_loss_has_its_gradient_and_its_minimum() -> None:
    ids, logits = [[1, 2], [3], [4, 5, 6], []], vectors(B, 12).requires_grad_()
    weights = torch.rand(12, generator=seeded()) + 0.1
    targets = targets_of(ids, weights)
    loss = token_class_loss(torch.clone, logits, targets, 12)
    loss.backward()
    target = torch.zeros(B, 12)
    for row, own in enumerate(ids):
        target[row, own] = weights[own] / weights[own].sum()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad[:3], ((logits.softmax(1) - target) / B).detach()[:3])
    assert not bool(logits.grad[3].any())  # a caption without a target counts nothing
    entropy = -(target * target.clamp_min(1e-30).log()).sum(1).mean()
    torch.testing.assert_close(targets.entropy(), entropy)
    torch.testing.assert_close(token_class_loss(torch.clone, target.clamp_min(1e-30).log(), targets, 12), entropy)
    assert value(loss) > value(entropy)
    alone = [(logits[i : i + 1], targets_of(ids[i : i + 1], weights)) for i in range(B)]
    parts = [token_class_loss(torch.clone, *one, 12) for one in alone]
    torch.testing.assert_close(torch.stack(parts).mean(), loss)


@pytest.mark.parametrize("targets", ["captions", "image"])
def test_token_targets_are_all_that_is_said_untruncated_without_frame_or_padding(targets: str) -> None:
    """The loss is the divergence from the target: cross-entropy less the target's own entropy."""
    chosen, student = recipe("token_classes", data={"scenes": 32, "captions": 2, "token_targets": targets}), model()
    step = step_of(chosen, student)
    loss, documents = compute_losses(step)["token_classes"], step.state.documents
    sets = token_sets(step.batch)
    untruncated = Batches(corpus(), Tokenizer(SIZES.merges, 500), chosen).at(0)
    drawn = [{id for caption in own for id in caption} for own in caption_ids(untruncated)]
    joins = set(Tokenizer(SIZES.merges, SIZES.context_length).ids("."))
    assert (sets == drawn) == (targets == "captions")
    assert all(some <= everything | joins for some, everything in zip(drawn, sets, strict=True))
    df = torch.tensor([sum(id in ids for ids in sets) for id in range(SIZES.vocab_size)])
    assert documents.frequency.tolist() == df.tolist() and int(documents.documents) == 8
    assert int(df[-2:].sum()) == 0  # start and end of text
    log_softmax = student.token_head(step.image.raw).log_softmax(1)
    terms = []
    for row, ids in enumerate(sets):
        weight = {id: math.log(9 / (int(df[id]) + 1)) for id in ids}
        share = {id: weight[id] / sum(weight.values()) for id in ids if weight[id]}
        terms.append(sum(share[id] * (math.log(share[id]) - log_softmax[row, id]) for id in share))
    assert value(loss) == pytest.approx(sum(map(value, terms)) / 8, rel=1e-4)


def test_with_token_pooling_patches_the_patch_that_shows_a_token_learns_it() -> None:
    """Most of the pull towards a token goes to the patch that says it; with one patch, both poolings are the same."""
    heads, pulls = {}, {}
    for pooling in ("mean", "patches"):
        torch.manual_seed(0)
        heads[pooling] = TokenHead(16, 12, pooling)
    patches = vectors(1, 9, 16)
    patches[0, 3] = 40 * heads["patches"].classes.weight.detach()[5]
    torch.testing.assert_close(heads["patches"](patches[:, :1]), heads["mean"](patches[:, :1]))
    heads["patches"].classes.register_full_backward_hook(lambda head, into, out: pulls.update(patches=-out[0]))
    token_class_loss(
        heads["patches"].logits, patches.requires_grad_(), targets_of([[5]], torch.ones(12)), 12
    ).backward()
    of_token = pulls["patches"][0, :, 5]
    assert int(of_token.argmax()) == 3 and float(of_token[3]) > 0.5 * float(of_token.sum()) > 0


def test_token_targets_go_on_where_the_context_ends() -> None:
    """What the text encoder does not get to read is still a target."""
    short = SIZES.model_copy(update={"context_length": 6})
    chosen = recipe("token_classes", model=short)
    batch = Batches(corpus(), Tokenizer(short.merges, 6), chosen).at(0)
    state, read = ObjectiveState(short), {int(id) for id in batch.captions.ids.unique()}
    compute_losses(StepFeatures(chosen, model(short), model(short), state, batch))
    targets = {id for id, count in enumerate(state.documents.frequency.tolist()) if count}
    assert targets > read - {0, short.end_of_text, short.end_of_text - 1} and len(targets) > len(read) + 10


@pytest.mark.parametrize(
    ("number", "active"), [(0, {"token_classes"}), (1, {"token_classes"}), (2, {"token_classes", "softmax"})]
)
def test_a_warm_start_leaves_the_other_objectives_out(number: int, active: set[str]) -> None:
    start = {"steps": 2, "objectives": ["token_classes"]}
    chosen = recipe("token_classes", "softmax", warm_start=start, weighting={"kind": "uncertainty"})
    torch.manual_seed(0)
    student = Student(chosen)
    losses = compute_losses(step_of(chosen, student.model), number)
    student.weighted(losses).backward()
    assert student.learned_weights is not None and set(losses) == active
    assert {name for name, s in student.learned_weights.s.items() if s.grad is not None} == active
    assert ("text.embedding.weight" in gradients(student.model)) == ("softmax" in active)


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
    groups = [(row, group) for row, real in enumerate(step.batch.is_candidate) for group in range(2) if real[group, 0]]
    rows = Counter(row for row, _ in groups)
    assert set(rows.values()) == {1, 2} and len(rows) < len(
        step.batch.is_candidate
    )  # of some scenes there are one or none
    terms = []
    for row, group in groups:
        texts = student.encode_text(step.batch.foils.ids[row, group])
        conditioned = student.pool(texts[None], step.image.patches[row : row + 1])[0]
        image = conditioned if objective == "foils_conditioned" else step.image.pooled[row : row + 1]
        terms.append(-(student.logit_scale.exp() * (unit(image) * unit(texts)).sum(-1)).log_softmax(0)[0])
    torch.testing.assert_close(compute_losses(step)[objective], torch.stack(terms).mean(), atol=1e-5, rtol=1e-4)


def test_foils_are_drawn_last() -> None:
    """With and without them everything else of a batch is the same."""
    with_foils, without = batch_of(recipe("softmax", "foils")), batch_of(recipe("softmax"))
    assert caption_ids(with_foils) == caption_ids(without) and torch.equal(
        with_foils.question.ids, without.question.ids
    )
    assert torch.equal(with_foils.images.local(), without.images.local()) and not without.has_foils
