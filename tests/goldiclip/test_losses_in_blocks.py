"""Every loss in blocks of 1, 3 and all rows equals a plain formula over whole tables in float64, with its gradients."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Sequence

import dense_losses as dense
import pytest
import torch
from objective_cases import BIAS, SCALE, seeded, units, vectors

from goldieval.goldiclip.data.draws import drawn_bytes
from goldieval.goldiclip.heads import DistillationHead, TokenHead
from goldieval.goldiclip.objectives.conditioned import conditioned_sigmoid
from goldieval.goldiclip.objectives.contrastive import sigmoid_contrastive, softmax_contrastive
from goldieval.goldiclip.objectives.decoding import IGNORE, decoding_loss
from goldieval.goldiclip.objectives.distillation import DinoLoss, dino, info_nce, info_nce_floor
from goldieval.goldiclip.objectives.foils import foil_loss
from goldieval.goldiclip.objectives.grouping import grouping_contrast
from goldieval.goldiclip.objectives.same_caption import same_caption_contrast
from goldieval.goldiclip.objectives.token_classes import TokenTargets, token_class_loss
from goldieval.goldiclip.pooling import TextConditionedPool

B, K, P, D = 7, 3, 5, 16  # images, captions, patches, width
MODULES = ("conditioned", "contrastive", "decoding", "distillation", "grouping", "same_caption", "token_classes")
Loss = Callable[..., torch.Tensor]


@pytest.fixture(params=[1, 3, 1000], autouse=True)
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Rows of a block in every loss."""
    for module in MODULES:
        found = importlib.import_module(f"goldieval.goldiclip.objectives.{module}")
        monkeypatch.setattr(found, "rows_within", lambda bytes_per_row: request.param)
    return int(request.param)


def pooling() -> TextConditionedPool:
    torch.manual_seed(0)
    pool = TextConditionedPool(D, 4)
    for weights in pool.parameters():
        torch.nn.init.normal_(weights, std=0.5)
    return pool


def agree(ours: Loss, plain: Loss, inputs: Sequence[torch.Tensor], *modules: torch.nn.Module) -> None:
    """Compare value and gradients, times a factor as a weighted sum has it, with those of float64.

    Args:
        ours: Takes the inputs and the modules.
        plain: Takes the same in float64.
        inputs: All of them are differentiated.
        modules: Their parameters are differentiated.
    """
    found = []
    for loss, dtype in ((ours, torch.float32), (plain, torch.float64)):
        parts = [copy.deepcopy(module).to(dtype) for module in modules]
        leaves = [tensor.detach().to(dtype).requires_grad_() for tensor in inputs]
        value = loss(*leaves, *parts)
        weights = [weight for part in parts for weight in part.parameters() if weight.requires_grad]
        gradients = torch.autograd.grad(3 * value, [*leaves, *weights])
        found.append([value.detach(), *gradients])
        with torch.no_grad():
            torch.testing.assert_close(loss(*leaves, *parts), value.detach())
    for mine, exact in zip(*found, strict=True):
        assert mine.dtype == torch.float32 and float(exact.abs().max()) > 0
        assert float((mine - exact).abs().max()) <= 3e-6 * max(1.0, float(exact.abs().max()))


@pytest.mark.parametrize(("left", "right"), [(1, 3), (3, 2), (2, 2)])
def test_softmax(left: int, right: int) -> None:
    agree(softmax_contrastive, dense.softmax, (units(B, left, D), units(B, right, D, seed=1), SCALE))


def test_softmax_of_a_list_with_itself() -> None:
    same = units(B, 2, D)
    agree(lambda x, s: softmax_contrastive(x, x, s), lambda x, s: dense.softmax(x, x, s), (same, SCALE))


def test_softmax_of_a_teacher_without_gradients() -> None:
    teacher = units(B, 4, D, seed=1)
    agree(
        lambda student, scale: softmax_contrastive(student, teacher, scale),
        lambda student, scale: dense.softmax(student, teacher.double(), scale),
        (units(B, 2, D), SCALE),
    )


def test_softmax_that_trains_its_scale_alone() -> None:
    left, right = units(B, 2, D), units(B, 3, D, seed=1)
    agree(
        lambda scale: softmax_contrastive(left, right, scale),
        lambda scale: dense.softmax(left.double(), right.double(), scale),
        (SCALE,),
    )


def test_sigmoid() -> None:
    agree(sigmoid_contrastive, dense.sigmoid, (units(B, D), vectors(B, K, D, seed=1), SCALE, BIAS))


def test_conditioned() -> None:
    draws = torch.from_numpy(drawn_bytes(B, 0, 0, range(B)))
    agree(
        lambda patches, texts, *rest: conditioned_sigmoid(rest[-1], patches, texts, texts, draws, *rest[:-1]),
        lambda patches, texts, *rest: dense.conditioned(rest[-1], patches, texts, draws, *rest[:-1]),
        (vectors(B, P, D), vectors(B, K, D, seed=1), SCALE, BIAS),
        pooling(),
    )


def test_same_caption_negatives() -> None:
    texts, patches, pool = vectors(B, 2, D, seed=1), vectors(B, P, D, seed=2), pooling().requires_grad_(False)
    agree(
        lambda student, scale, pool: same_caption_contrast(student, texts, pool, patches, scale),
        lambda student, scale, pool: dense.same_caption(student, texts.double(), pool, patches.double(), scale),
        (vectors(B, 3, 2, D), SCALE),
        pool,
    )


def test_same_caption_negatives_through_the_teachers_head_less_what_no_student_can_avoid() -> None:
    """The floor is a number of the teacher alone: it changes the value by as much for any student, and no gradient."""
    texts, patches, pool = vectors(B, 2, D, seed=1), vectors(B, P, D, seed=2), pooling().requires_grad_(False)
    torch.manual_seed(0)
    head = DistillationHead(D, 24).requires_grad_(False)
    student, floors = vectors(B, 3, 2, D), []
    for seed in range(3):
        arguments = vectors(B, 3, 2, D, seed=seed), texts, pool, patches, SCALE, 0, head
        floors.append(float(same_caption_contrast(*arguments) - same_caption_contrast(*arguments, less_floor=True)))
    assert floors[0] > 0.01 and floors == pytest.approx([floors[0]] * 3, abs=1e-6)
    agree(
        lambda student, scale, pool, head: same_caption_contrast(student, texts, pool, patches, scale, 0, head),
        lambda student, scale, pool, head: dense.same_caption(
            student, texts.double(), pool, patches.double(), scale, head
        ),
        (student, SCALE),
        pool,
        head,
    )


def test_floor_of_the_agnostic_contrast() -> None:
    """Blocks add up to the tangent planes of a plain cross-entropy, by autograd."""
    teacher = vectors(B, D, seed=1) + 20 * vectors(1, D, seed=2)
    points = dense.unit(teacher.double())
    terms = []
    for row, point in enumerate(points):
        leaf = point.clone().requires_grad_()
        loss = -(SCALE * points @ leaf).log_softmax(0)[row]
        (slope,) = torch.autograd.grad(loss, leaf)
        terms.append((loss.detach() - slope.norm() - slope @ point).clamp_min(0))
    assert float(torch.stack(terms).mean()) > 0.1
    torch.testing.assert_close(
        info_nce_floor(teacher, teacher, SCALE).double(), torch.stack(terms).mean(), atol=1e-5, rtol=0
    )


def test_agnostic_contrast() -> None:
    teacher = vectors(B, D, seed=1)
    agree(
        lambda student, scale: info_nce(student, teacher, scale),
        lambda student, scale: dense.info_nce(student, teacher.double(), scale),
        (vectors(B, 2, D), SCALE),
    )


def test_dino_in_blocks_and_its_centre() -> None:
    head, logits = torch.nn.Linear(D, 8), vectors(B, 1, 8, seed=1)
    parts = [DinoLoss(8), DinoLoss(8).double()]
    for part in parts:
        part.centre.copy_(vectors(8, seed=2))
    with torch.no_grad():
        expected = parts[1].centre.lerp(logits.double().flatten(0, 1).mean(0), 0.1)
    agree(
        lambda student, head: dino(copy.deepcopy(parts[0]), head, student, logits),
        lambda student, head: _plain_dino(head(student), logits.double(), parts[1].centre),
        (vectors(B, 2, D),),
        head,
    )
    dino(parts[0], head, vectors(B, 2, D), logits)
    torch.testing.assert_close(parts[0].centre.double(), expected, atol=1e-6, rtol=0)


def _plain_dino(student: torch.Tensor, teacher: torch.Tensor, centre: torch.Tensor) -> torch.Tensor:
    target = ((teacher - centre) / 0.05).softmax(-1)
    return (target * (target.clamp_min(1e-9).log() - (student / 0.1).log_softmax(-1))).sum(-1).mean()


def test_grouping() -> None:
    agree(grouping_contrast, dense.grouping, (vectors(B, P, D), units(B, K, D, seed=1), SCALE))


def test_decoding() -> None:
    targets = torch.randint(40, (B,), generator=seeded())
    targets[2] = IGNORE
    agree(
        lambda states, table: decoding_loss(states, targets, table),
        lambda states, table: dense.decoding(states, targets, table),
        (vectors(B, D), vectors(40, D, seed=1)),
    )


TOKENS = [[1, 5, 7], [3], [], [2, 9], [0, 1, 2, 3], [9], [4, 11]]


def token_targets() -> tuple[TokenTargets, torch.Tensor]:
    """Targets of ``TOKENS``, and the weight of each token; the sixth image has no target with a weight."""
    weights = torch.rand(12, generator=seeded())
    weights[9] = 0
    rows = torch.tensor([row for row, own in enumerate(TOKENS) for _ in own])
    starts = torch.tensor([0, *map(len, TOKENS)]).cumsum(0)
    return TokenTargets.of(torch.tensor([id for own in TOKENS for id in own]), rows, starts, weights), weights


def test_token_classes() -> None:
    targets, weights = token_targets()
    head = torch.nn.Linear(D, 12, bias=False)
    agree(
        lambda features, head: token_class_loss(head, features, targets, 12, tuple(head.parameters())),
        lambda features, head: dense.token_classes(features @ head.weight.T, TOKENS, weights),
        (vectors(B, D),),
        head,
    )


def test_token_classes_of_patches() -> None:
    """Each patch has its own distribution over tokens and a share in its image; their mixture meets the target."""
    targets, weights = token_targets()
    head = TokenHead(D, 12, "patches")
    agree(
        lambda patches, head: token_class_loss(head.logits, patches, targets, 12, tuple(head.parameters())),
        lambda patches, head: dense.token_classes(_mixture(head.classes(head.ln(patches))).log(), TOKENS, weights),
        (vectors(B, P, D),),
        head,
    )


def _mixture(logits: torch.Tensor) -> torch.Tensor:
    """Return the distribution over tokens of the softmax over patches and tokens together, logits (n, p, tokens)."""
    return logits.flatten(1).softmax(1).view(logits.shape).sum(1)


def test_foils() -> None:
    counts = [3, 2, 0, 3, 1, 0, 3]
    is_candidate = torch.arange(3) < torch.tensor(counts)[:, None]
    agree(
        lambda scores: foil_loss(scores, is_candidate),
        lambda scores: dense.foils(scores, counts),
        (vectors(B, 3),),
    )
