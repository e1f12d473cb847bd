"""The losses by the names that recipes use: each takes what it needs from the features of a step."""

from __future__ import annotations

from collections.abc import Callable

import torch

from goldieval.goldiclip.data.texts import Texts
from goldieval.goldiclip.features import StepFeatures, by_image
from goldieval.goldiclip.objectives.conditioned import conditioned_sigmoid
from goldieval.goldiclip.objectives.contrastive import sigmoid_contrastive, softmax_contrastive
from goldieval.goldiclip.objectives.decoding import decoding_loss, positions_before, targets_of
from goldieval.goldiclip.objectives.foils import foil_loss
from goldieval.goldiclip.objectives.grouping import grouping_contrast
from goldieval.goldiclip.objectives.token_classes import TokenTargets, token_class_loss
from goldieval.goldiclip.objectives.views import cross_distillation
from goldieval.goldiclip.pooling import pooled_views
from goldieval.goldiclip.precision import unit
from goldieval.goldiclip.self_distillation import distil_agnostic, distil_conditioned


def compute_losses(features: StepFeatures, step: int = 0) -> dict[str, torch.Tensor]:
    """Return the losses that are active in a step, by name.

    A loss for which no image of any process has data (``vqa`` without questions, ``foils`` without foils) is left out;
    if that leaves none, all active ones are returned.

    Args:
        features: Features of the batch.
        step: Number of steps before this one.
    """
    active = features.recipe.active_objectives(step)
    with_data = [name for name in active if name not in HAS_DATA or HAS_DATA[name](features)]
    return {name: LOSSES[name](features) for name in with_data or active}


def softmax(features: StepFeatures) -> torch.Tensor:
    """Contrast images with captions by CLIP's symmetric cross-entropy."""
    scale = features.model.logit_scale.exp()
    return softmax_contrastive(unit(features.image_pooled)[:, None], unit(features.texts), scale, features.first_row)


def sigmoid(features: StepFeatures) -> torch.Tensor:
    """Contrast images with captions by SigLIP's sigmoid loss, with several positives as in FLAIR."""
    scale, bias = features.model.logit_scale.exp(), features.model.logit_bias
    return sigmoid_contrastive(unit(features.image_pooled), features.all_texts, scale, bias, features.first_row)


def conditioned(features: StepFeatures) -> torch.Tensor:
    """Contrast images, pooled for a caption, with that caption (FLAIR)."""
    model, draws = features.model, features.batch.draws
    pairs = (features.image.patches, features.texts, features.all_texts, draws)
    return conditioned_sigmoid(model.pool, *pairs, *model.conditioned_logits, features.first_row)


def caption(features: StepFeatures) -> torch.Tensor:
    """Decode the first caption, with an empty question."""
    end, target = features.model.config.end_of_text, features.batch.captions.at(0)
    no_question = torch.arange(end - 1, end + 1, device=target.ids.device)
    return _decode(features, no_question.expand(len(target), -1), target)


def vqa(features: StepFeatures) -> torch.Tensor:
    """Decode the answers of the questions about each image."""
    return _decode(features, features.batch.question.flat, features.batch.answer)


def _decode(features: StepFeatures, question: torch.Tensor, answer: Texts) -> torch.Tensor:
    """Return the decoding loss of answers to questions (n, length); nothing is predicted after an answer's end."""
    model, ids = features.model, answer.flat
    predicted = positions_before(answer.lengths.flatten(), answer.host_lengths)
    states = model.answer_states(question, ids[:, :-1], features.image)
    return decoding_loss(
        states[predicted], targets_of(ids, model.config.end_of_text)[predicted], model.text.embedding.weight
    )


def token_classes(features: StepFeatures) -> torch.Tensor:
    """Classify an image by the tokens of its texts, which are not truncated; the targets' entropy is subtracted."""
    batch, head, documents = features.batch, features.model.token_head, features.state.documents
    documents.count(batch.token_ids, len(batch))
    targets = TokenTargets.of(batch.token_ids, batch.token_rows, batch.token_starts, documents.weights())
    parameters, size = tuple(head.parameters()), len(documents.frequency)
    classified = head.classified(features.image.raw)
    return token_class_loss(head.logits, classified, targets, size, parameters) - targets.entropy()


def foils(features: StepFeatures) -> torch.Tensor:
    """Choose the true caption among its foils by the global image feature."""
    return _foil_loss(features, features.image_pooled[:, None])


def foils_conditioned(features: StepFeatures) -> torch.Tensor:
    """Choose the true caption among its foils by the image feature pooled for each of them."""
    return _foil_loss(features, pooled_views(features.model.pool, features.foils, features.image.patches))


def _foil_loss(features: StepFeatures, image: torch.Tensor) -> torch.Tensor:
    """Return the loss for image features of shape (b, 1 or groups * candidates, d)."""
    is_candidate = features.batch.is_candidate
    cosines = (unit(image) * unit(features.foils)).sum(-1).view(is_candidate.shape)
    logits = features.model.logit_scale.exp() * cosines.flatten(0, 1)
    return foil_loss(logits, is_candidate.flatten(0, 1))


def views(features: StepFeatures) -> torch.Tensor:
    """Contrast all global crops with all captions (COSMOS); local crops over-fit here."""
    scale = features.model.logit_scale.exp()
    return softmax_contrastive(unit(features.global_crops), unit(features.texts), scale, features.first_row)


def cross_modal(features: StepFeatures) -> torch.Tensor:
    """Distil the teacher's global views into the student's views after cross-modal attention (COSMOS)."""
    model = features.model
    local = by_image(features.local_pooled, features.batch.images.locals)
    crops = torch.cat([features.global_crops, local], dim=1)
    images = model.cross_modal.images(crops, features.words)  # padding is attended to, as in COSMOS's code
    texts = model.cross_modal.texts(features.texts, features.image.raw)
    students = unit(images), unit(texts)
    teachers = unit(features.teacher_views), unit(features.teacher_texts)
    return cross_distillation(students, teachers, model.cross_modal.logit_scale.exp(), features.first_row)


def grouping(features: StepFeatures) -> torch.Tensor:
    """Contrast the patches that a caption selects with that caption (DreamLIP)."""
    scale = features.model.grouping.logit_scale.exp()
    return grouping_contrast(features.image.patches, unit(features.texts), scale, features.first_row)


LOSSES: dict[str, Callable[[StepFeatures], torch.Tensor]] = {
    "softmax": softmax,
    "sigmoid": sigmoid,
    "conditioned": conditioned,
    "distil_agnostic": distil_agnostic,
    "distil_conditioned": distil_conditioned,
    "caption": caption,
    "vqa": vqa,
    "token_classes": token_classes,
    "foils": foils,
    "foils_conditioned": foils_conditioned,
    "views": views,
    "cross_modal": cross_modal,
    "grouping": grouping,
}
HAS_DATA: dict[str, Callable[[StepFeatures], bool]] = {
    "vqa": lambda features: features.batch.has_questions,
    "foils": lambda features: features.batch.has_foils,
    "foils_conditioned": lambda features: features.batch.has_foils,
}
