"""Features of one batch by student and teacher, from which the losses of a step are computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F

from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.data.texts import Texts
from goldieval.goldiclip.gather import any_process, gathered
from goldieval.goldiclip.model import GoldiClip, ImageFeatures
from goldieval.goldiclip.objective_state import ObjectiveState
from goldieval.goldiclip.recipe import Recipe

LENGTH_GROUPS = 4  # groups of similar length in which a batch of texts is encoded


@dataclass
class StepFeatures:
    """Features of one batch, each computed when a loss first asks for it and then shared by all losses.

    In the shapes below, b is the number of images of this process, k the number of captions of an image, d the width
    of the shared embedding space.

    Attributes:
        recipe: Recipe of the run, for the settings of distillation.
        model: The student.
        teacher: Its moving average, without gradients.
        state: State of the objectives.
        batch: This process's share of the batch.
        generator: Draws the foreign captions of the conditioned loss; in the same state in all processes.
    """

    recipe: Recipe
    model: GoldiClip
    teacher: GoldiClip
    state: ObjectiveState
    batch: Batch
    generator: torch.Generator

    @cached_property
    def image(self) -> ImageFeatures:
        """Student features of the global crops, one for each image."""
        return self.model.image_features(self.batch.images.first())

    @cached_property
    def global_crops(self) -> torch.Tensor:
        """Student features of all global crops, shape (b, crops, d)."""
        first = self.image.pooled[:, None]
        if self.batch.images.globals == 1:
            return first
        others = self.batch.images.others()
        rest = self.model.encode_image(others.flatten(0, 1))
        return torch.cat([first, rest.view(*others.shape[:2], -1)], dim=1)

    @cached_property
    def local_crops(self) -> ImageFeatures:
        """Student features of all local crops, flattened to (b * crops, ...)."""
        return self.model.image_features(self.batch.images.local().flatten(0, 1))

    @cached_property
    def teacher_image(self) -> ImageFeatures:
        """Teacher features of the uncropped images."""
        with torch.no_grad():
            return self.teacher.image_features(self.batch.images.whole())

    @cached_property
    def texts(self) -> torch.Tensor:
        """Student features of the captions, shape (b, k, d), not normalised."""
        flat = encode_by_length(self.model.encode_text, self.batch.captions)
        return flat.view(*self.batch.captions.ids.shape[:2], -1)

    @cached_property
    def all_texts(self) -> torch.Tensor:
        """Caption features of all processes, shape (b * processes, k, d), not normalised."""
        return gathered(self.texts)

    @cached_property
    def foils(self) -> torch.Tensor:
        """Student features of true captions and their foils, shape (b, groups * candidates, d), not normalised."""
        texts = encode_by_length(self.model.encode_text, self.batch.foils)
        return texts.view(len(self.batch), -1, texts.shape[-1])

    @cached_property
    def has_questions(self) -> bool:
        """Whether an image of any process has a question; the same in all processes."""
        return any_process(self.batch.has_questions, self.batch.question.ids.device)

    @cached_property
    def has_foils(self) -> bool:
        """Whether an image of any process has foils; the same in all processes."""
        return any_process(self.batch.has_foils, self.batch.is_candidate.device)

    @property
    def first_row(self) -> int:
        """Row of this process's first image among those of all processes."""
        ready = torch.distributed.is_available() and torch.distributed.is_initialized()
        return torch.distributed.get_rank() * len(self.batch) if ready else 0


def unit(features: torch.Tensor) -> torch.Tensor:
    """Return unit vectors in float32: bfloat16 changes lengths by up to 0.3 %, too much for a scaled cosine."""
    return F.normalize(features.float(), dim=-1)


def by_image(features: torch.Tensor, per_image: int) -> torch.Tensor:
    """Reshape (b * per_image, ...) to (b, per_image, ...)."""
    return features.view(-1, per_image, *features.shape[1:])


def encode_by_length(encode: Callable[[torch.Tensor], torch.Tensor], texts: Texts) -> torch.Tensor:
    """Encode texts in groups of similar length, each cut to its longest: the same features for less work.

    Args:
        encode: Maps token ids (n, length) to features (n, d).
        texts: Texts, n in all.

    Returns:
        Features of shape (n, d) in the order of ``texts.flat``.
    """
    order = texts.order()
    ids = texts.flat[order]
    parts = [encode(ids[rows, :longest]) for rows, longest in texts.groups(LENGTH_GROUPS)]
    return torch.cat(parts)[order.argsort()]
