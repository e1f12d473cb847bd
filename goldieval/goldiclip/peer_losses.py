"""The losses that COSMOS and DreamLIP add, as functions of a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from goldieval.goldiclip.objectives.grouping import grouping_contrast
from goldieval.goldiclip.objectives.views import cross_distillation, view_contrast

if TYPE_CHECKING:
    from goldieval.goldiclip.losses import Step


def views(step: Step) -> torch.Tensor:
    """COSMOS's contrastive part: the global crops alone, with all captions; local crops in it over-fit."""
    scale = step.model.logit_scale.exp()
    return view_contrast(_unit(step.globals), _unit(step.texts), scale, step.first)


def cross_modal(step: Step) -> torch.Tensor:
    """COSMOS's distillation: every view, having asked the other modality, towards the teacher's global views."""
    model, batch = step.model, step.batch
    crops = _by_image(step.local.pooled, batch.pixels)
    length = batch.captions.shape[-1]
    said = F.pad(batch.captions[:, 0], (0, model.config.context_length - length))  # words and padding, as released
    images = model.cross_modal.images(torch.cat([step.globals, crops], dim=1), model.text(said)[1])
    texts = model.cross_modal.texts(step.texts, step.image.raw)
    with torch.no_grad():
        shown = (
            torch.cat([batch.pixels[:, None], batch.others], dim=1) if batch.others.shape[1] else batch.pixels[:, None]
        )
        captions = batch.captions[:, : shown.shape[1]]
        taught_images = _by_image(step.teacher.encode_image(shown.flatten(0, 1)), shown)
        taught_texts = _by_image(step.teacher.encode_text(captions.flatten(0, 1)), shown)
    students, teachers = (_unit(images), _unit(texts)), (_unit(taught_images), _unit(taught_texts))
    return cross_distillation(students, teachers, model.cross_modal.logit_scale.exp(), step.first)


def grouping(step: Step) -> torch.Tensor:
    """DreamLIP's contrast of the patches that a caption picks."""
    scale = step.model.grouping.logit_scale.exp()
    return grouping_contrast(_unit(step.image.patches), _unit(step.texts), scale, step.first)


PEERS: dict[str, Callable[[Step], torch.Tensor]] = {"views": views, "cross_modal": cross_modal, "grouping": grouping}


def _by_image(features: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """(b * views, d) to (b, views, d)."""
    return features.view(len(images), -1, features.shape[-1])


def _unit(features: torch.Tensor) -> torch.Tensor:
    return F.normalize(features.float(), dim=-1)
