"""What COSMOS, DreamLIP, FLAIR and SuperCLIP add: closed forms in float64, released values, and that recipes train."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from batch_contents import caption_ids, token_sets
from dense_losses import columns_of
from golden import golden
from tiny_trainings import steps_of

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.cross_modal import CrossPool
from goldieval.goldiclip.data.draws import drawn_bytes
from goldieval.goldiclip.objectives.conditioned import conditioned_sigmoid
from goldieval.goldiclip.objectives.contrastive import sigmoid_contrastive, softmax_contrastive
from goldieval.goldiclip.objectives.grouping import grouped, grouping_contrast
from goldieval.goldiclip.objectives.token_classes import InverseDocumentFrequency, TokenTargets, token_class_loss
from goldieval.goldiclip.objectives.views import cross_distillation
from goldieval.goldiclip.pooling import TextConditionedPool
from goldieval.goldiclip.recipe_files import load_recipe
from goldieval.goldiclip.trainer import Trainer

METHODS = ("clip", "siglip", "dreamlip", "flair", "cosmos", "superclip", "superclip-dual")


@pytest.fixture
def random() -> torch.Generator:
    return torch.Generator().manual_seed(11)


def units(random: torch.Generator, *shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=random, dtype=torch.float64), dim=-1)


def close(ours: torch.Tensor, closed: float) -> None:
    assert float(ours) == pytest.approx(closed, rel=2e-6)


def info_nce(left: torch.Tensor, right: torch.Tensor, scale: float) -> float:
    """Symmetric, written out in float64, shapes (n, d)."""
    logits = scale * left @ right.T
    rows = [-(table.diagonal() - table.logsumexp(1)).mean() for table in (logits, logits.T)]
    return float(sum(rows) / 2)


def test_cosmos_losses_are_the_closed_forms(random: torch.Generator) -> None:
    """L_clip over 2 x 8 pairs of views, L_distill the mean of four such contrasts over 8 x 2 pairs."""
    images, texts, scale = units(random, 5, 2, 16), units(random, 5, 8, 16), torch.tensor(14.0)
    pairs = [info_nce(images[:, i], texts[:, c], 14.0) for i in range(2) for c in range(8)]
    close(softmax_contrastive(images, texts, scale), math.fsum(pairs) / 16)
    students, teachers = (units(random, 5, 8, 16), units(random, 5, 8, 16)), (units(random, 5, 2, 16), images)
    terms = [
        math.fsum(info_nce(ours[:, i], theirs[:, j], 14.0) for i in range(8) for j in range(2)) / 16
        for ours in students
        for theirs in teachers
    ]
    close(cross_distillation(students, teachers, scale), math.fsum(terms) / 4)


def test_flair_losses_are_the_closed_forms_with_their_normalisers(random: torch.Generator) -> None:
    """Each pair is pooled by its own caption; B + K - 1 divides the one loss, B K the other."""
    b, k, scale, bias = 4, 3, 9.0, -4.0
    pool = TextConditionedPool(16, 4).requires_grad_(False)
    patches, texts = torch.randn(b, 6, 16, generator=random), torch.randn(b, k, 16, generator=random)
    draws = torch.from_numpy(drawn_bytes(b, 0, 0, range(b)))
    columns = columns_of(draws, b, k)
    wide = TextConditionedPool(16, 4).double().requires_grad_(False)
    wide.load_state_dict({name: tensor.double() for name, tensor in pool.state_dict().items()})
    total, flat = 0.0, texts.double().flatten(0, 1)
    for i in range(b):
        for c in columns[i].tolist():
            pooled = wide(flat[c][None, None], patches[i][None].double())[0, 0]
            z = scale * float(F.cosine_similarity(pooled, flat[c], dim=0)) + bias
            total += math.log1p(math.exp(-z if c // k == i else z))
    ours = conditioned_sigmoid(pool, patches, texts, texts, draws, torch.tensor(scale), torch.tensor(bias))
    close(ours, total / (b + k - 1))
    images, captions = units(random, b, 16), units(random, b, k, 16)
    z = scale * torch.einsum("id,jkd->ijk", images, captions) + bias
    sign = 2 * torch.eye(b, dtype=torch.float64)[:, :, None] - 1
    closed = float(torch.log1p(torch.exp(-sign * z)).sum()) / (b * k)
    close(sigmoid_contrastive(images, captions, torch.tensor(scale), torch.tensor(bias)), closed)


def test_superclip_loss_is_the_closed_form(random: torch.Generator) -> None:
    captions = [[1, 2, 2, 7], [2, 3], [2, 9, 9, 4, 1]]
    distinct = [sorted(set(caption)) for caption in captions]
    ids = torch.tensor([token for own in distinct for token in own])
    rows = torch.tensor([row for row, own in enumerate(distinct) for _ in own])
    documents = InverseDocumentFrequency(12)
    documents.count(ids, 3)
    targets = TokenTargets.of(ids, rows, torch.tensor([0, 3, 5, 9]), documents.weights())
    logits = torch.randn(3, 12, generator=random)
    counts = [sum(token in caption for caption in captions) for token in range(12)]
    weights = [math.log((3 + 1) / (count + 1)) for count in counts]
    total = 0.0
    for row, caption in zip(logits.double(), captions, strict=True):
        whole = math.fsum(weights[token] for token in set(caption))
        chances = row.log_softmax(0).tolist()
        total -= math.fsum(weights[token] / whole * chances[token] for token in set(caption)) / 3
    close(token_class_loss(torch.clone, logits, targets, 12), total)


def test_dreamlip_grouping_is_the_closed_form(random: torch.Generator) -> None:
    patches, texts, scale = units(random, 3, 7, 16), units(random, 3, 2, 16), 12.0
    features = []
    for i in range(3):
        for c in range(2):
            cosines = patches[i] @ texts[i, c]
            stretched = (cosines - cosines.min()) / (cosines.max() - cosines.min())
            stretched[stretched < 0.1] = 0
            features.append(F.normalize((stretched / stretched.sum()) @ patches[i], dim=0))
    expected = torch.stack(features)
    torch.testing.assert_close(grouped(patches, texts).flatten(0, 1).double(), expected, atol=1e-6, rtol=0)
    ours = grouping_contrast(patches, texts, torch.tensor(scale))
    close(ours, info_nce(expected, texts.flatten(0, 1), scale))


def test_cross_modal_features_and_losses_are_cosmoss_own() -> None:
    """Our modules with the released weights, from the released features and the token states behind them."""
    sizes, tensors = golden("cosmos")
    images = tensors["in.text"].shape[1]

    def listed(name: str, count: int | None = None) -> torch.Tensor:
        return tensors[f"out.{name}"].view(-1, images, sizes["embed_dim"])[:count].transpose(0, 1)

    own, distill = (tensors[f"weights.student.{name}"].exp() for name in ("logit_scale", "distill_logit_scale"))
    clip = softmax_contrastive(listed("student.image_features", 2), listed("student.text_features"), own)
    assert float(clip) == pytest.approx(float(tensors["out.loss_clip"]), rel=1e-4)
    students = (listed("student.image_crossmodal"), listed("student.text_crossmodal"))
    teachers = (listed("teacher.image_features"), listed("teacher.text_features"))
    ours = cross_distillation(students, teachers, distill)
    assert float(ours) == pytest.approx(float(tensors["out.loss_distill"]), rel=1e-4)
    for name in ("text_attn_cross_pool", "visual.attn_cross_pool"):
        start = f"weights.student.{name}."
        pool = CrossPool(sizes["embed_dim"], 8).requires_grad_(False)
        pool.load_state_dict({key.removeprefix(start): part for key, part in tensors.items() if key.startswith(start)})
        asking, tokens = torch.randn(2, 3, 64), torch.randn(2, 5, 64)
        normed = pool.ln_k(tokens)
        expected = asking + pool.attn(pool.ln_q(asking), normed, normed, need_weights=False)[0]
        torch.testing.assert_close(pool(asking, tokens), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.slow
def test_the_tiny_recipe_of_every_method_trains(method: str, tmp_path: Path) -> None:
    """Two steps: losses are finite, every parameter that a loss needs moves, and the scales stay in their bounds."""
    small = {"data.scenes": 32, "optimiser.steps": 2, "optimiser.batch_size": 8, "optimiser.warm_up": 0}
    recipe = load_recipe(f"{method}-tiny", {**small, "optimiser.precision": "no"})
    trainer = Trainer(recipe, tmp_path / "run")
    before = {name: tensor.detach().clone() for name, tensor in trainer.student.model.named_parameters()}
    reports = list(steps_of(trainer))
    assert all(math.isfinite(report.total) for report in reports)
    assert set(reports[0].losses) == set(recipe.objectives)
    still = {name for name, tensor in trainer.student.model.named_parameters() if torch.equal(tensor, before[name])}
    assert not {name for name in still if name.startswith(("cross_modal.", "grouping.", "token_head."))}
    assert ("pool.query.weight" in still) == (method != "flair")


def test_cosmos_sees_two_crops_and_single_sentences_and_dual_captions_name_all_that_is_said(tmp_path: Path) -> None:
    small = {"data.scenes": 32, "optimiser.steps": 1, "optimiser.batch_size": 4, "optimiser.precision": "no"}
    batch = Trainer(load_recipe("cosmos-tiny", small), tmp_path / "a").loader.batch(0)
    assert batch.images.others().shape == batch.images.first()[:, None].shape
    assert batch.images.local().shape[1:3] == (2, 3)
    assert batch.captions.ids.shape[1] == 4
    trainer = Trainer(load_recipe("superclip-dual-tiny", small), tmp_path / "b")
    dual, join = trainer.loader.batch(0), trainer.tokenizer.ids(".")[0]
    for ids, said in zip(caption_ids(dual), token_sets(dual), strict=True):
        assert len(ids) == 2 == dual.captions.ids.shape[1] and len(said) > 2
        assert all(join not in caption[:-1] and said >= set(caption) - {join} for caption in ids)
    _, losses = trainer.passes.backward(dual, 0)
    loss = losses["token_classes"]
    assert math.isfinite(float(loss))


@pytest.mark.parametrize(
    ("method", "changes", "line"),
    [
        ("cosmos", {"model.cross_modal": False}, "needs model.cross_modal"),
        ("cosmos", {"data.locals": 0}, "needs data.locals"),
        ("cosmos", {"data.captions": 1, "data.single_sentences": 0}, "data.globals 2 exceeds data.captions 1"),
        ("cosmos", {"data.single_sentences": 9}, "single_sentences exceeds"),
        ("dreamlip", {"model.grouping": False}, "needs model.grouping"),
    ],
)
def test_a_recipe_that_lacks_a_part_is_one_line(method: str, changes: dict[str, Any], line: str) -> None:
    with pytest.raises(GoldievalError, match=line):
        load_recipe(f"{method}-tiny", changes)


def test_the_papers_settings_of_cosmos_and_dreamlip() -> None:
    """training-methods: COSMOS 2.1 and 2.5, DreamLIP 4.1."""
    cosmos, dreamlip, dual = (load_recipe(f"{name}-b16") for name in ("cosmos", "dreamlip", "superclip-dual"))
    data, optimiser = cosmos.data, cosmos.optimiser
    assert (data.globals, data.locals, data.local_size, data.captions, data.single_sentences) == (2, 6, 96, 8, 6)
    assert data.global_area == (0.4, 1.0) and data.local_area == (0.05, 0.4) and data.sentences == 5
    assert (optimiser.weight_decay, optimiser.eps, optimiser.lr, optimiser.batch_size) == (0.5, 1e-8, 5e-4, 4096)
    assert cosmos.teacher.momentum == 0.99 and dict(cosmos.objectives) == {"views": 1.0, "cross_modal": 1.0}
    assert dreamlip.data.captions == 8 and dreamlip.data.sentences == 1
    assert dual.data.token_targets == "image" and dual.optimiser == load_recipe("superclip-b16").optimiser
