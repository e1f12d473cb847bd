"""Our parts against what the released FLAIR, SuperCLIP and COSMOS code computed (``tests/golden``).

Features agree to 1e-5, losses to 1e-4 relative. COSMOS's two peculiarities are not ours and are written out here: its
cross-modal attention has no null slot, and it interpolates positions of small crops in its own way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from dense_losses import draws_of
from golden import Tensors, golden
from torch import nn

from goldieval.goldiclip.config import ModelConfig
from goldieval.goldiclip.ema import update_teacher
from goldieval.goldiclip.heads import TokenHead
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.objectives.conditioned import conditioned_sigmoid, pair_losses
from goldieval.goldiclip.objectives.contrastive import sigmoid_contrastive, softmax_contrastive
from goldieval.goldiclip.objectives.token_classes import InverseDocumentFrequency, TokenTargets, token_class_loss
from goldieval.goldiclip.pooling import TextConditionedPool
from goldieval.scoring.conditioned import conditioned_matrix


class Golden:
    """One file: tensors by name and the sizes of the model."""

    def __init__(self, name: str) -> None:
        self.config, self.tensors = golden(name)

    def __getitem__(self, name: str) -> torch.Tensor:
        return self.tensors[name]

    def weights(self, prefix: str) -> Tensors:
        return {key.removeprefix(prefix): tensor for key, tensor in self.tensors.items() if key.startswith(prefix)}


@pytest.fixture(scope="module")
def flair() -> Golden:
    return Golden("flair")


@pytest.fixture(scope="module")
def superclip() -> Golden:
    return Golden("superclip")


@pytest.fixture(scope="module")
def cosmos() -> Golden:
    return Golden("cosmos")


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours.detach(), theirs, atol=1e-5, rtol=0)


def close_loss(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert float(ours.detach()) == pytest.approx(float(theirs), rel=1e-4)


def fill_vision(model: GoldiClip, weights: Tensors, projection: torch.Tensor) -> None:
    names = {"conv1.weight": "patches.weight", "class_embedding": "class_token", "positional_embedding": "positions"}
    ours = {names.get(name, name): tensor for name, tensor in weights.items()}
    model.vision.load_state_dict({name: ours[name] for name in model.vision.state_dict()})
    model.image_projection.weight.data = projection.T


def fill_text(model: GoldiClip, weights: Tensors, projection: torch.Tensor, vocab_size: int) -> None:
    """Our smallest vocabulary is larger than theirs: rows behind theirs stay unused."""
    names = {"embedding.weight": "token_embedding.weight", "positions": "positional_embedding"}
    state = {name: weights[names.get(name, name)] for name in model.text.state_dict()}
    unused = len(model.text.embedding.weight) - vocab_size
    state["embedding.weight"] = F.pad(state["embedding.weight"], (0, 0, 0, unused))
    model.text.load_state_dict(state)
    model.text.end_of_text = vocab_size - 1
    model.text_projection.weight.data = projection.T


def fill_pool(pool: TextConditionedPool, weights: Tensors) -> TextConditionedPool:
    """COSMOS has one norm for keys and values, FLAIR one for each."""
    query, key, value = (
        {"weight": weight, "bias": bias}
        for weight, bias in zip(
            weights["attn.in_proj_weight"].chunk(3), weights["attn.in_proj_bias"].chunk(3), strict=True
        )
    )
    parts = {"query": query, "key": key, "value": value}
    parts["out"] = {name: weights[f"attn.out_proj.{name}"] for name in ("weight", "bias")}
    for norm in ("ln_q", "ln_k", "ln_v"):
        theirs = norm if f"{norm}.weight" in weights else "ln_k"
        parts[norm] = {name: weights[f"{theirs}.{name}"] for name in ("weight", "bias")}
    pool.load_state_dict({f"{part}.{name}": tensor for part, both in parts.items() for name, tensor in both.items()})
    return pool


def empty(config: dict[str, Any]) -> GoldiClip:
    return GoldiClip(
        ModelConfig(
            image_size=config["image_size"],
            patch_size=config["patch_size"],
            vision_width=config["vision_width"],
            vision_layers=config["vision_layers"],
            vision_heads=config["heads"],
            text_width=config["text_width"],
            text_layers=config["text_layers"],
            text_heads=config["heads"],
            context_length=config["context_length"],
            embed_dim=config["embed_dim"],
            pool_heads=8,
            merges=0,
        )
    ).requires_grad_(False)


# FLAIR


@pytest.fixture(scope="module")
def flair_model(flair: Golden) -> GoldiClip:
    model, size = empty(flair.config), flair.config["vocab_size"]
    fill_vision(model, flair.weights("weights.visual."), flair["weights.image_post.proj"])
    fill_text(model, flair.weights("weights."), flair["weights.text_post.proj"], size)
    fill_pool(model.pool, flair.weights("weights.visual_proj."))
    model.logit_scale.fill_(float(flair["weights.logit_scale"]))
    model.logit_bias.fill_(float(flair["weights.logit_bias"]))
    return model


def texts_of(flair: Golden) -> torch.Tensor:
    """Text features (images, captions, dim)."""
    return flair["out.text_features"].view(len(flair["in.images"]), flair.config["captions_per_image"], -1)


def test_flair_towers(flair: Golden, flair_model: GoldiClip) -> None:
    features = flair_model.image_features(flair["in.images"])
    close(features.pooled, flair["out.image_features"])
    close(features.patches, flair["out.image_tokens"])
    close(flair_model.encode_text(flair["in.text"]), flair["out.text_features"])
    longest = int((flair["in.text"] != 0).sum(1).max())
    close(flair_model.encode_text(flair["in.text"][:, :longest]), flair["out.text_features"])


def test_flair_pooling(flair: Golden, flair_model: GoldiClip) -> None:
    texts, tokens = flair["out.text_features"], flair["out.image_tokens"]
    close(flair_model.pool(texts.expand(len(tokens), -1, -1), tokens), flair["out.pooled"])


def test_flair_scores(flair: Golden, flair_model: GoldiClip) -> None:
    """Conditioned logits have scale and bias, global ones the scale only; both from pictures and token ids."""
    scale, bias = flair_model.logit_scale.exp(), flair_model.logit_bias
    features, texts = flair_model.image_features(flair["in.images"]), flair_model.encode_text(flair["in.text"])
    conditioned = conditioned_matrix(flair_model.pool, texts, features.patches)
    close(conditioned, (flair["out.logits_conditioned"] - bias) / scale)
    torch.testing.assert_close(scale * conditioned + bias, flair["out.logits_conditioned"], atol=1e-4, rtol=1e-5)
    everywhere = F.normalize(features.pooled, dim=-1) @ F.normalize(texts, dim=-1).T
    close(everywhere, flair["out.logits_global"] / scale)


def test_flair_losses(flair: Golden, flair_model: GoldiClip) -> None:
    """The text-conditioned loss, half its sum with the global one, and both where all pairs are foreign."""
    model, texts, columns = flair_model, texts_of(flair), flair["in.caption_columns"]
    scale, bias = model.logit_scale.exp(), model.logit_bias
    images, patches = F.normalize(flair["out.image_features"], dim=-1), flair["out.image_tokens"]
    draws = draws_of(columns, texts.shape[1])
    conditioned = conditioned_sigmoid(model.pool, patches, texts, texts, draws, scale, bias)
    close_loss(conditioned, flair["out.loss_tcs"])
    close_loss((conditioned + sigmoid_contrastive(images, texts, scale, bias)) / 2, flair["out.loss_total"])
    flat, memory = texts.flatten(0, 1), model.pool.keys_values(patches)
    chosen = (model.pool.queries(flat)[columns], F.normalize(flat, dim=-1)[columns])
    foreign = pair_losses(model.pool, memory, *chosen, -1, scale, bias).sum() / columns.shape[1]
    everywhere = sigmoid_contrastive(images, texts, scale, bias, first=len(images))
    close_loss((foreign + everywhere) / 2, flair["out.loss_total_negative_only"])


# SuperCLIP


@pytest.fixture(scope="module")
def superclip_model(superclip: Golden) -> GoldiClip:
    model = empty(superclip.config)
    fill_vision(model, superclip.weights("weights.visual."), superclip["weights.visual.proj"])
    text = superclip.weights("weights.text.")
    fill_text(model, text, text["text_projection"], superclip.config["vocab_size"])
    model.logit_scale.fill_(float(superclip["weights.logit_scale"]))
    return model


@pytest.fixture(scope="module")
def token_head(superclip: Golden) -> TokenHead:
    head = TokenHead(superclip.config["vision_width"], superclip.config["vocab_size"])
    names = {"ln.": "ln_mlp.", "classes.": "text_projection."}
    theirs = superclip.weights("weights.text_decoder.")
    head.load_state_dict({our + part: theirs[their + part] for our, their in names.items() for part in PARTS})
    return head.requires_grad_(False)


PARTS = ("weight", "bias")
STEPS = ("step1", "step2", "step3")


@pytest.mark.parametrize("step", STEPS)
def test_superclip_features_and_contrast(superclip: Golden, superclip_model: GoldiClip, step: str) -> None:
    images = F.normalize(superclip_model.encode_image(superclip[f"in.{step}.images"]), dim=-1)
    texts = F.normalize(superclip_model.encode_text(superclip[f"in.{step}.text"]), dim=-1)
    close(images, superclip[f"out.{step}.image_features"])
    close(texts, superclip[f"out.{step}.text_features"])
    loss = softmax_contrastive(images[:, None], texts[:, None], superclip_model.logit_scale.exp())
    close_loss(loss, superclip[f"out.{step}.loss_clip"])


def test_superclip_class_loss_and_frequencies(
    superclip: Golden, superclip_model: GoldiClip, token_head: TokenHead
) -> None:
    """Three steps in a row. Padding, start and end are tokens there; it keeps means a step where we count."""
    documents = InverseDocumentFrequency(superclip.config["vocab_size"])
    for number, step in enumerate(STEPS, 1):
        logits = token_head(superclip_model.image_features(superclip[f"in.{step}.images"]).raw)
        close(logits, superclip[f"out.{step}.class_logits"])
        texts = [row.unique() for row in superclip[f"in.{step}.text"]]
        ids, counts = torch.cat(texts), torch.tensor([0, *map(len, texts)])
        rows = torch.arange(len(texts)).repeat_interleave(counts[1:])
        documents.count(ids, len(texts))
        targets = TokenTargets.of(ids, rows, counts.cumsum(0), documents.weights())
        loss = token_class_loss(torch.clone, logits, targets, logits.shape[1])
        close_loss(loss, superclip[f"out.{step}.loss_class"])
        close(documents.frequency[None].double() / len(texts), superclip[f"out.{step}.cap_fq"])
        close((documents.documents.double() / len(texts)).view(1, 1), superclip[f"out.{step}.num_samples"])
        assert float(documents.documents) == number * len(texts)


# COSMOS


def cosmos_model(cosmos: Golden, who: str) -> GoldiClip:
    model, weights = empty(cosmos.config), cosmos.weights(f"weights.{who}.")
    fill_vision(model, cosmos.weights(f"weights.{who}.visual."), weights["visual.proj"])
    fill_text(model, weights, weights["text_projection"], cosmos.config["vocab_size"])
    return model


@pytest.fixture(scope="module")
def cosmos_student(cosmos: Golden) -> GoldiClip:
    student = cosmos_model(cosmos, "student")
    _interpolate_as_cosmos(student)
    return student


def _interpolate_as_cosmos(model: GoldiClip) -> None:
    """DINO's way: the scale is taken from the grid plus 0.1 of a patch, ours from the grid itself."""
    tower, plain = model.vision, model.vision._positions

    def positions(rows: int, columns: int) -> torch.Tensor:
        if (rows, columns) == (tower.side, tower.side):
            return plain(rows, columns)
        grid = tower.positions[1:].T.reshape(1, -1, tower.side, tower.side)
        scale = ((rows + 0.1) / tower.side, (columns + 0.1) / tower.side)
        grid = F.interpolate(grid, scale_factor=scale, mode="bicubic")
        return torch.cat([tower.positions[:1], grid[0].flatten(1).T])

    tower._positions = positions


def views(cosmos: Golden, encode: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Encode global, then local crops, view by view: (views * images, …)."""
    crops = [*cosmos["in.images_global"], *cosmos["in.images_local"]]
    return torch.cat([encode(crop) for crop in crops])


def test_cosmos_towers(cosmos: Golden, cosmos_student: GoldiClip) -> None:
    """Student and teacher; every view and every caption."""
    image = F.normalize(views(cosmos, cosmos_student.encode_image), dim=-1)
    text = F.normalize(cosmos_student.encode_text(cosmos["in.text"].flatten(0, 1)), dim=-1)
    close(image, cosmos["out.student.image_features"])
    close(text, cosmos["out.student.text_features"])
    teacher = cosmos_model(cosmos, "teacher")
    taught = torch.cat([teacher.encode_image(crop) for crop in cosmos["in.images_global"]])
    close(F.normalize(taught, dim=-1), cosmos["out.teacher.image_features"])
    said = teacher.encode_text(cosmos["in.text"][:2].flatten(0, 1))
    close(F.normalize(said, dim=-1), cosmos["out.teacher.text_features"])


def crossed(cosmos: Golden, name: str, features: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Add what a feature asks of the other modality's tokens, both of the same image; without a null slot.

    Args:
        features: (images, views, dim).   tokens: (images, length, dim).
    """
    pool = TextConditionedPool(cosmos.config["embed_dim"], 8).requires_grad_(False)
    fill_pool(pool, cosmos.weights(f"weights.student.{name}."))
    keys, values = pool.keys_values(tokens)
    asked = F.scaled_dot_product_attention(pool.queries(features).transpose(1, 2), keys, values)
    return F.normalize(features + pool.out(asked.transpose(1, 2).flatten(2)), dim=-1)


def linear(cosmos: Golden, name: str) -> nn.Linear:
    weights = cosmos.weights(f"weights.student.{name}.")
    layer = nn.Linear(*reversed(weights["weight"].shape)).requires_grad_(False)
    layer.load_state_dict(weights)
    return layer


def test_cosmos_cross_modal_features(cosmos: Golden, cosmos_student: GoldiClip) -> None:
    """Images ask the words of the first caption, captions the patches of the first global crop."""
    images = cosmos["in.images_global"].shape[1]
    words = linear(cosmos, "text_token_mapping")(cosmos_student.text(cosmos["in.text"][0])[1])
    image = views(cosmos, cosmos_student.encode_image).view(-1, images, 64).transpose(0, 1)
    ours = crossed(cosmos, "text_attn_cross_pool", image, words)
    close(ours.transpose(0, 1).flatten(0, 1), cosmos["out.student.image_crossmodal"])
    patches = linear(cosmos, "image_token_mapping")(cosmos_student.vision(cosmos["in.images_global"][0])[1])
    text = cosmos_student.encode_text(cosmos["in.text"].flatten(0, 1)).view(-1, images, 64).transpose(0, 1)
    ours = crossed(cosmos, "visual.attn_cross_pool", text, patches)
    close(ours.transpose(0, 1).flatten(0, 1), cosmos["out.student.text_crossmodal"])


def test_cosmos_losses_are_mean_contrasts_of_views(cosmos: Golden) -> None:
    images = cosmos["in.images_global"].shape[1]
    own, distill = (cosmos[f"weights.student.{name}"].exp() for name in ("logit_scale", "distill_logit_scale"))

    def listed(name: str, count: int | None = None) -> torch.Tensor:
        """(images, views, dim)."""
        return cosmos[f"out.{name}"].view(-1, images, 64)[:count].transpose(0, 1)

    def contrast(left: torch.Tensor, right: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return softmax_contrastive(left, right, scale)

    loss = contrast(listed("student.image_features", 2), listed("student.text_features"), own)
    close_loss(loss, cosmos["out.loss_clip"])
    students = (listed("student.image_crossmodal"), listed("student.text_crossmodal"))
    teachers = (listed("teacher.image_features"), listed("teacher.text_features"))
    parts = torch.stack([contrast(student, teacher, distill) for student in students for teacher in teachers])
    close_loss(parts.mean(), cosmos["out.loss_distill"])


def test_cosmos_teacher_moves_towards_the_student_before_its_step(cosmos: Golden) -> None:
    """The rule is ours too; the moment is not: there the teacher moves first, and here after the optimiser."""
    student, teacher = cosmos_model(cosmos, "student"), cosmos_model(cosmos, "teacher")
    before = teacher.image_projection.weight.clone()
    update_teacher(teacher, student, 0.99)
    close(teacher.image_projection.weight.T, cosmos["out.ema_0.99.visual.proj"])
    size = cosmos.config["vocab_size"]
    close(teacher.text.embedding.weight[:size], cosmos["out.ema_0.99.token_embedding.weight"])
    assert float((teacher.image_projection.weight - before).abs().max()) > 1e-4
