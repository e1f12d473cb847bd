"""All losses of one step: the student's features are computed once, each objective reads what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import nn

from goldieval.goldiclip.data.batches import Batch
from goldieval.goldiclip.gather import anywhere, gathered
from goldieval.goldiclip.model import GoldiClip, ImageFeatures
from goldieval.goldiclip.objectives.conditioned import conditioned_sigmoid, sampled_columns
from goldieval.goldiclip.objectives.contrastive import sigmoid_contrastive, softmax_contrastive
from goldieval.goldiclip.objectives.decoding import decoding_loss, targets_of
from goldieval.goldiclip.objectives.distillation import DinoLoss, cosine, info_nce
from goldieval.goldiclip.objectives.foils import foil_loss
from goldieval.goldiclip.objectives.token_classes import (
    InverseDocumentFrequency,
    k_hot,
    target_entropy,
    token_class_loss,
)
from goldieval.goldiclip.peer_losses import PEERS
from goldieval.goldiclip.recipe import Recipe
from goldieval.models.padding import lengths

BUCKETS = 4


@dataclass
class Step:
    """What one step has computed; features are made when first asked for. number: of steps before it."""

    model: GoldiClip
    teacher: GoldiClip
    batch: Batch
    generator: torch.Generator
    number: int = 0

    @cached_property
    def image(self) -> ImageFeatures:
        return self.model.image_features(self.batch.pixels)

    @cached_property
    def globals(self) -> torch.Tensor:
        """Features of all global crops, (b, crops, d)."""
        first, others = self.image.pooled[:, None], self.batch.others
        if not others.shape[1]:
            return first
        rest = self.model.encode_image(others.flatten(0, 1))
        return torch.cat([first, rest.view(*others.shape[:2], -1)], dim=1)

    @cached_property
    def texts(self) -> torch.Tensor:
        """(b, k, d), not normalised."""
        flat = encode_bucketed(self.model.encode_text, self.batch.captions.flatten(0, 1))
        return flat.view(*self.batch.captions.shape[:2], -1)

    @cached_property
    def all_texts(self) -> torch.Tensor:
        return gathered(self.texts)

    @cached_property
    def asked(self) -> bool:
        """Whether any picture of all processes has a question; the same answer everywhere."""
        return anywhere(self.batch.asked, self.batch.question.device)

    @cached_property
    def foiled(self) -> bool:
        """Whether any picture of all processes has false captions; the same answer everywhere."""
        return anywhere(bool(self.batch.foiled.any()), self.batch.foils.device)

    @cached_property
    def foils(self) -> torch.Tensor:
        """Texts of foils, (b, groups * candidates, d), not normalised."""
        texts = encode_bucketed(self.model.encode_text, self.batch.foils.flatten(0, 2))
        return texts.view(len(self.batch.foils), -1, texts.shape[-1])

    @property
    def first(self) -> int:
        """Row of our first image among those of all processes."""
        ready = torch.distributed.is_available() and torch.distributed.is_initialized()
        return torch.distributed.get_rank() * len(self.batch.pixels) if ready else 0

    @cached_property
    def local(self) -> ImageFeatures:
        """Features of all local crops, flattened to (b * views, …)."""
        return self.model.image_features(self.batch.crops.flatten(0, 1))

    @cached_property
    def taught(self) -> ImageFeatures:
        with torch.no_grad():
            return self.teacher.image_features(self.batch.whole)


class Losses(nn.Module):
    """The objectives of a recipe with their state (DINO centres, document frequencies)."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        config = recipe.model
        if config.prototypes:
            self.agnostic, self.conditioned = DinoLoss(config.prototypes), DinoLoss(config.prototypes)
        if config.token_classes:
            self.documents = InverseDocumentFrequency(config.vocab_size)
        self._table: dict[str, Callable[[Step], torch.Tensor]] = {
            "softmax": self._softmax,
            "sigmoid": self._sigmoid,
            "conditioned": self._conditioned,
            "distil_agnostic": self._distil_agnostic,
            "distil_conditioned": self._distil_conditioned,
            "caption": self._caption,
            "vqa": self._vqa,
            "token_classes": self._token_classes,
            "foils": self._foils,
            "foils_conditioned": self._foils_conditioned,
            **PEERS,
        }

    def forward(self, step: Step) -> dict[str, torch.Tensor]:
        """Return the losses that are active in this step; the learned weights of the others rest.

        Where no process's share has a question, ``vqa`` is left out; the losses of foils likewise.
        """
        active = self.recipe.active(step.number)
        there = {"vqa": lambda: step.asked, "foils": lambda: step.foiled, "foils_conditioned": lambda: step.foiled}
        names = [name for name in active if there.get(name, lambda: True)()]
        return {name: self._table[name](step) for name in names or active}

    def _softmax(self, step: Step) -> torch.Tensor:
        images, texts, everywhere = (unit(part) for part in (step.image.pooled, step.texts, step.all_texts))
        return softmax_contrastive(
            images, texts, gathered(images), everywhere, step.model.logit_scale.exp(), step.first
        )

    def _sigmoid(self, step: Step) -> torch.Tensor:
        images, texts = unit(step.image.pooled), unit(step.all_texts)
        return sigmoid_contrastive(images, texts, step.model.logit_scale.exp(), step.model.logit_bias, step.first)

    def _conditioned(self, step: Step) -> torch.Tensor:
        everyone, captions = step.all_texts.shape[:2]
        ours = range(step.first, step.first + len(step.texts))
        columns = sampled_columns(everyone, captions, step.generator, ours).to(step.texts.device)
        scale, bias = step.model.logit_scale.exp(), step.model.logit_bias
        return conditioned_sigmoid(
            step.model.pool, step.image.patches, step.all_texts, columns, scale, bias, step.first
        )

    def _distil_agnostic(self, step: Step) -> torch.Tensor:
        """Local crops' class features towards the teacher's of the whole picture."""
        views = step.batch.crops.shape[1]
        student = _by_view(step.local.pooled, views)
        teacher = step.taught.pooled
        if self.recipe.teacher.loss == "dino":
            with torch.no_grad():
                logits = step.teacher.agnostic_head(teacher)
            loss: torch.Tensor = self.agnostic(step.model.agnostic_head(student), logits[:, None])
            self.agnostic.update_centre(gathered(logits))
            return loss
        if self.recipe.teacher.loss == "info_nce":
            return info_nce(student, gathered(teacher)[None], step.first)
        return cosine(student, teacher[:, None])

    def _distil_conditioned(self, step: Step) -> torch.Tensor:
        """The same for features pooled by a caption; the query is detached, so this trains the image side alone."""
        views, count = step.batch.crops.shape[1], self.recipe.teacher.captions
        queries = step.texts[:, :count].detach()
        repeated = queries.repeat_interleave(views, dim=0)
        student = _by_view(step.model.pool(repeated, step.local.patches), views)
        with torch.no_grad():
            teacher = step.teacher.pool(queries, step.taught.patches)
        if self.recipe.teacher.loss == "dino":
            with torch.no_grad():
                logits = step.teacher.conditioned_head(teacher)
            loss: torch.Tensor = self.conditioned(step.model.conditioned_head(student), logits[:, None])
            self.conditioned.update_centre(gathered(logits))
            return loss
        if self.recipe.teacher.loss == "info_nce":
            return self._same_caption_negatives(step, student, queries)
        return cosine(student, teacher[:, None])

    def _same_caption_negatives(self, step: Step, student: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        """Negatives are the teacher's features of other images for the same caption: text alone cannot win."""
        with torch.no_grad():
            patches = gathered(step.taught.patches)
            pooled = step.teacher.pool(queries.flatten(0, 1)[None].expand(len(patches), -1, -1), patches)
        by_caption = pooled.transpose(0, 1).unflatten(0, queries.shape[:2])  # (b, count, images of all processes, d)
        places = range(by_caption.shape[1])
        losses = [info_nce(student[:, :, place], by_caption[:, place], step.first) for place in places]
        return torch.stack(losses).mean()

    def _caption(self, step: Step) -> torch.Tensor:
        """The decoder writes the first caption, asked nothing."""
        config = step.model.config
        target = step.batch.captions[:, 0]
        nothing = torch.tensor([[config.end_of_text - 1, config.end_of_text]], device=target.device)
        return self._decode(step, nothing.expand(len(target), -1), target, step.image)

    def _vqa(self, step: Step) -> torch.Tensor:
        question, answer = step.batch.question, step.batch.answer
        return self._decode(step, question.flatten(0, 1), answer.flatten(0, 1), step.image)

    def _decode(self, step: Step, question: torch.Tensor, answer: torch.Tensor, image: ImageFeatures) -> torch.Tensor:
        """The last column of the longest answer is its end: nothing follows from it, so it is not decoded."""
        answer = answer[:, : int(lengths(answer).max())]
        logits = step.model.answer_logits(question, answer[:, :-1], image)
        return decoding_loss(logits, targets_of(answer, step.model.config.end_of_text)[:, :-1])

    def _token_classes(self, step: Step) -> torch.Tensor:
        """The target is K-hot over what is said of an image, untruncated; its own entropy is taken off the loss."""
        special = (step.model.config.end_of_text - 1, step.model.config.end_of_text)
        joined = [[id for caption in captions for id in caption] for captions in step.batch.said]
        hot = k_hot(joined, step.model.config.vocab_size, special).to(step.image.raw.device)
        self.documents.count(hot)
        weights = self.documents.weights()
        return token_class_loss(step.model.token_head(step.image.raw), hot, weights) - target_entropy(hot, weights)

    def _foils(self, step: Step) -> torch.Tensor:
        """The true caption against its false ones."""
        return _chosen(step, step.image.pooled[:, None])

    def _foils_conditioned(self, step: Step) -> torch.Tensor:
        """The same by the features pooled for each of them."""
        return _chosen(step, step.model.pool(step.foils, step.image.patches))


def _chosen(step: Step, image: torch.Tensor) -> torch.Tensor:
    """Return the loss of choosing the true caption by its cosine. image: (b, 1 or groups * candidates, d)."""
    real = step.batch.foiled
    cosines = (unit(image) * unit(step.foils)).sum(-1).view(real.shape)
    return foil_loss(step.model.logit_scale.exp() * cosines.flatten(0, 1), real.flatten(0, 1))


def unit(features: torch.Tensor) -> torch.Tensor:
    """Unit vectors in float32: bfloat16 would put lengths off by up to 0.3 %, which a scaled cosine feels."""
    return F.normalize(features.float(), dim=-1)


def _by_view(features: torch.Tensor, views: int) -> torch.Tensor:
    """(b * views, …) to (b, views, …)."""
    return features.view(-1, views, *features.shape[1:])


def encode_bucketed(encode: Callable[[torch.Tensor], torch.Tensor], ids: torch.Tensor) -> torch.Tensor:
    """Encode rows of padded ids, short ones together and each group cut to its longest: the same result, less work."""
    long = lengths(ids)
    order = long.argsort()
    parts = [encode(ids[rows, : int(long[rows].max())]) for rows in order.tensor_split(BUCKETS) if len(rows)]
    return torch.cat(parts)[order.argsort()]
