"""The losses by the names that recipes use: each takes what it needs from the features of a step."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from goldieval.goldiclip.features import StepFeatures, by_image, unit
from goldieval.goldiclip.gather import gathered
from goldieval.goldiclip.model import ImageFeatures
from goldieval.goldiclip.objectives.conditioned import conditioned_sigmoid, sampled_columns
from goldieval.goldiclip.objectives.contrastive import sigmoid_contrastive, softmax_contrastive
from goldieval.goldiclip.objectives.decoding import decoding_loss, targets_of
from goldieval.goldiclip.objectives.distillation import cosine, info_nce
from goldieval.goldiclip.objectives.foils import foil_loss
from goldieval.goldiclip.objectives.grouping import grouping_contrast
from goldieval.goldiclip.objectives.token_classes import target_entropy, token_class_loss
from goldieval.goldiclip.objectives.views import cross_distillation, view_contrast


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
    parts = (features.image.pooled, features.texts, features.all_texts)
    images, texts, all_texts = (unit(part) for part in parts)
    scale = features.model.logit_scale.exp()
    return softmax_contrastive(images, texts, gathered(images), all_texts, scale, features.first_row)


def sigmoid(features: StepFeatures) -> torch.Tensor:
    """Contrast images with captions by SigLIP's sigmoid loss, with several positives as in FLAIR."""
    images, texts = unit(features.image.pooled), unit(features.all_texts)
    scale, bias = features.model.logit_scale.exp(), features.model.logit_bias
    return sigmoid_contrastive(images, texts, scale, bias, features.first_row)


def conditioned(features: StepFeatures) -> torch.Tensor:
    """Contrast images, pooled for a caption, with that caption (FLAIR)."""
    images, captions = features.all_texts.shape[:2]
    own_rows = range(features.first_row, features.first_row + len(features.texts))
    columns = sampled_columns(images, captions, features.generator, own_rows).to(features.texts.device)
    scale, bias = features.model.logit_scale.exp(), features.model.logit_bias
    patches, texts = features.image.patches, features.all_texts
    return conditioned_sigmoid(features.model.pool, patches, texts, columns, scale, bias, features.first_row)


def distil_agnostic(features: StepFeatures) -> torch.Tensor:
    """Distil the teacher's global feature of the whole image into the student's features of local crops."""
    crops = features.batch.images.locals
    student, teacher = by_image(features.local_crops.pooled, crops), features.teacher_image.pooled
    if features.recipe.teacher.loss == "dino":
        with torch.no_grad():
            logits = features.teacher.agnostic_head(teacher)
        dino = features.state.agnostic
        loss: torch.Tensor = dino(features.model.agnostic_head(student), logits[:, None])
        dino.update_centre(gathered(logits))
        return loss
    if features.recipe.teacher.loss == "info_nce":
        return info_nce(student, gathered(teacher)[None], features.first_row)
    return cosine(student, teacher[:, None])


def distil_conditioned(features: StepFeatures) -> torch.Tensor:
    """Do the same with features pooled for a caption; the query is detached, so this trains the image side alone."""
    crops, captions = features.batch.images.locals, features.recipe.teacher.captions
    queries = features.texts[:, :captions].detach()
    repeated = queries.repeat_interleave(crops, dim=0)
    student = by_image(features.model.pool(repeated, features.local_crops.patches), crops)
    with torch.no_grad():
        teacher = features.teacher.pool(queries, features.teacher_image.patches)
    if features.recipe.teacher.loss == "dino":
        with torch.no_grad():
            logits = features.teacher.conditioned_head(teacher)
        dino = features.state.conditioned
        loss: torch.Tensor = dino(features.model.conditioned_head(student), logits[:, None])
        dino.update_centre(gathered(logits))
        return loss
    if features.recipe.teacher.loss == "info_nce":
        return _same_caption_negatives(features, student, queries)
    return cosine(student, teacher[:, None])


def _same_caption_negatives(features: StepFeatures, student: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
    """Take as negatives the teacher's features of other images for the same caption: text alone cannot win."""
    with torch.no_grad():
        patches = gathered(features.teacher_image.patches)
        pooled = features.teacher.pool(queries.flatten(0, 1)[None].expand(len(patches), -1, -1), patches)
    by_caption = pooled.transpose(0, 1).unflatten(0, queries.shape[:2])  # (b, captions, images of all processes, d)
    captions = range(by_caption.shape[1])
    losses = [info_nce(student[:, :, place], by_caption[:, place], features.first_row) for place in captions]
    return torch.stack(losses).mean()


def caption(features: StepFeatures) -> torch.Tensor:
    """Decode the first caption, with an empty question."""
    end = features.model.config.end_of_text
    target = features.batch.captions.at(0).ids
    no_question = torch.tensor([[end - 1, end]], device=target.device)
    return _decode(features, no_question.expand(len(target), -1), target, features.image)


def vqa(features: StepFeatures) -> torch.Tensor:
    """Decode the answers of the questions about each image."""
    question, answer = features.batch.question.ids, features.batch.answer
    return _decode(features, question.flatten(0, 1), answer.flatten(0, 1), features.image)


def _decode(features: StepFeatures, question: torch.Tensor, answer: torch.Tensor, image: ImageFeatures) -> torch.Tensor:
    """Return the decoding loss; the last column of the longest answer is its end, after which nothing is predicted."""
    logits = features.model.answer_logits(question, answer[:, :-1], image)
    return decoding_loss(logits, targets_of(answer, features.model.config.end_of_text)[:, :-1])


def token_classes(features: StepFeatures) -> torch.Tensor:
    """Classify an image by the tokens of its texts, which are not truncated; the targets' entropy is subtracted."""
    image, batch = features.image.raw, features.batch
    hot = torch.zeros(len(batch), features.model.config.vocab_size, device=image.device)
    hot[batch.token_rows, batch.token_ids] = 1
    features.state.documents.count(hot)
    weights = features.state.documents.weights()
    return token_class_loss(features.model.token_head(image), hot, weights) - target_entropy(hot, weights)


def foils(features: StepFeatures) -> torch.Tensor:
    """Choose the true caption among its foils by the global image feature."""
    return _foil_loss(features, features.image.pooled[:, None])


def foils_conditioned(features: StepFeatures) -> torch.Tensor:
    """Choose the true caption among its foils by the image feature pooled for each of them."""
    return _foil_loss(features, features.model.pool(features.foils, features.image.patches))


def _foil_loss(features: StepFeatures, image: torch.Tensor) -> torch.Tensor:
    """Return the loss for image features of shape (b, 1 or groups * candidates, d)."""
    is_candidate = features.batch.is_candidate
    cosines = (unit(image) * unit(features.foils)).sum(-1).view(is_candidate.shape)
    logits = features.model.logit_scale.exp() * cosines.flatten(0, 1)
    return foil_loss(logits, is_candidate.flatten(0, 1))


def views(features: StepFeatures) -> torch.Tensor:
    """Contrast all global crops with all captions (COSMOS); local crops over-fit here."""
    scale = features.model.logit_scale.exp()
    return view_contrast(unit(features.global_crops), unit(features.texts), scale, features.first_row)


def cross_modal(features: StepFeatures) -> torch.Tensor:
    """Distil the teacher's global views into the student's views after cross-modal attention (COSMOS)."""
    model, batch = features.model, features.batch
    local = by_image(features.local_crops.pooled, batch.images.locals)
    crops = torch.cat([features.global_crops, local], dim=1)
    padding = model.config.context_length - batch.captions.ids.shape[-1]
    words = model.text(F.pad(batch.captions.ids[:, 0], (0, padding)))[1]  # padding is attended to, as in COSMOS's code
    images = model.cross_modal.images(crops, words)
    texts = model.cross_modal.texts(features.texts, features.image.raw)
    with torch.no_grad():
        pixels = batch.images.first()[:, None]
        if batch.images.globals > 1:
            pixels = torch.cat([pixels, batch.images.others()], dim=1)
        captions = batch.captions.ids[:, : pixels.shape[1]]
        teacher_images = by_image(features.teacher.encode_image(pixels.flatten(0, 1)), pixels.shape[1])
        teacher_texts = by_image(features.teacher.encode_text(captions.flatten(0, 1)), pixels.shape[1])
    students, teachers = (unit(images), unit(texts)), (unit(teacher_images), unit(teacher_texts))
    return cross_distillation(students, teachers, model.cross_modal.logit_scale.exp(), features.first_row)


def grouping(features: StepFeatures) -> torch.Tensor:
    """Contrast the patches that a caption selects with that caption (DreamLIP)."""
    scale = features.model.grouping.logit_scale.exp()
    return grouping_contrast(unit(features.image.patches), unit(features.texts), scale, features.first_row)


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
    "vqa": lambda features: features.has_questions,
    "foils": lambda features: features.has_foils,
    "foils_conditioned": lambda features: features.has_foils,
}
