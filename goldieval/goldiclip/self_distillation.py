"""The two losses of self-distillation: the student's local crops against the teacher's whole images."""

from __future__ import annotations

import torch

from goldieval.goldiclip.features import StepFeatures, by_image
from goldieval.goldiclip.gather import all_rows
from goldieval.goldiclip.heads import DistillationHead
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.objectives.blocks import recomputed, rows_within
from goldieval.goldiclip.objectives.distillation import cosine, dino, info_nce, info_nce_floor
from goldieval.goldiclip.objectives.same_caption import same_caption_contrast
from goldieval.goldiclip.pooling import pooled_views


def distil_agnostic(features: StepFeatures) -> torch.Tensor:
    """Distil the teacher's global feature of the whole image into the student's features of local crops."""
    student = by_image(features.local_pooled, features.batch.images.locals)
    teacher = features.teacher_pooled
    if features.recipe.teacher.loss == "dino":
        with torch.no_grad():
            logits = features.teacher.agnostic_head(teacher)
        return dino(features.state.agnostic, features.model.agnostic_head, student, logits[:, None])
    if features.recipe.teacher.loss == "info_nce":
        return _agnostic_contrast(features, student, teacher)
    return cosine(student, teacher[:, None])


def _agnostic_contrast(features: StepFeatures, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Return the contrastive form for features of shapes (b, views, d) and (b, d)."""
    scale, first = features.distillation_scale("distil_agnostic"), features.first_row
    student = _projected(_head(features.model, "agnostic"), student)
    with torch.no_grad():
        own = _projected(_head(features.teacher, "agnostic"), teacher)
        everyone = all_rows(own)
    loss = info_nce(student, everyone, scale, first)
    return loss - info_nce_floor(own, everyone, scale, first) if features.recipe.subtracts_floors else loss


def distil_conditioned(features: StepFeatures) -> torch.Tensor:
    """Do the same with features pooled for a caption; the query is detached, so this trains the image side alone."""
    crops, texts = features.batch.images.locals, features.texts[:, : features.recipe.teacher.captions].detach()
    student = by_image(pooled_views(features.model.pool, texts, features.local_crops.patches), crops)
    patches = features.teacher_image.patches
    if features.recipe.teacher.loss == "info_nce":
        head = _head(features.teacher, "conditioned")
        return same_caption_contrast(
            _projected(_head(features.model, "conditioned"), student),
            texts,
            features.teacher.pool,
            patches,
            features.distillation_scale("distil_conditioned"),
            features.first_row,
            head,
            features.recipe.subtracts_floors,
        )
    with torch.no_grad():
        teacher = pooled_views(features.teacher.pool, texts, patches)
    if features.recipe.teacher.loss == "dino":
        with torch.no_grad():
            logits = features.teacher.conditioned_head(teacher)
        return dino(features.state.conditioned, features.model.conditioned_head, student, logits[:, None])
    return cosine(student, teacher[:, None])


def _head(model: GoldiClip, kind: str) -> DistillationHead | None:
    """Return the projection head of one of ``model.FEATURE_KINDS``, or None where the model has none."""
    heads: dict[str, DistillationHead] | None = getattr(model, "distillation_head", None)
    return heads[kind] if heads is not None else None


def _projected(head: DistillationHead | None, features: torch.Tensor) -> torch.Tensor:
    """Map features (b, ..., d) through a head, of which no activations are kept for the backward pass."""
    if head is None:
        return features
    width = 4 * features.shape[-1] + 4 * head.hidden
    return recomputed(head, (features,), block=rows_within(4 * width * features[0].numel() // features.shape[-1]))
