"""Features of one batch by student and teacher, from which the losses of a step are computed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from goldieval.goldiclip import encoders
from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.encoders import Encoder
from goldieval.goldiclip.feature_cache import FeatureCache
from goldieval.goldiclip.gather import first_row, gathered
from goldieval.goldiclip.model import GoldiClip, ImageFeatures
from goldieval.goldiclip.objective_state import ObjectiveState
from goldieval.goldiclip.recipe import Recipe


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
        cache: Computes features in parts; by default they are those of the whole batch at once.
    """

    recipe: Recipe
    model: GoldiClip
    teacher: GoldiClip
    state: ObjectiveState
    batch: Batch
    cache: FeatureCache | None = None

    @cached_property
    def image(self) -> ImageFeatures:
        """Student features of the global crops, one for each image."""
        return ImageFeatures(*self._student(encoders.first_crops))

    @cached_property
    def image_pooled(self) -> torch.Tensor:
        """Student global features of the global crops, shape (b, d)."""
        if self.recipe.uses_patches:
            return self.image.pooled
        return self._student(encoders.first_crops_pooled)[0]

    @cached_property
    def global_crops(self) -> torch.Tensor:
        """Student features of all global crops, shape (b, crops, d)."""
        first = self.image_pooled[:, None]
        return (
            torch.cat([first, *self._student(encoders.other_crops)], dim=1) if self.batch.images.globals > 1 else first
        )

    @cached_property
    def local_crops(self) -> ImageFeatures:
        """Student features of all local crops, flattened to (b * crops, ...)."""
        return ImageFeatures(*self._student(encoders.local_crops))

    @cached_property
    def local_pooled(self) -> torch.Tensor:
        """Student global features of all local crops, shape (b * crops, d)."""
        if self.recipe.distils_patches:
            return self.local_crops.pooled
        return self._student(encoders.local_crops_pooled)[0]

    @cached_property
    def texts(self) -> torch.Tensor:
        """Student features of the captions, shape (b, k, d), not normalised."""
        return self._student(encoders.captions)[0]

    @cached_property
    def all_texts(self) -> torch.Tensor:
        """Caption features of all processes, shape (b * processes, k, d), not normalised."""
        return gathered(self.texts)

    @cached_property
    def foils(self) -> torch.Tensor:
        """Student features of true captions and their foils, shape (b, groups * candidates, d), not normalised."""
        return self._student(encoders.foils)[0]

    @cached_property
    def words(self) -> torch.Tensor:
        """Student states of all tokens of the first caption and its padding, shape (b, context, text width)."""
        return self._student(encoders.words)[0]

    @cached_property
    def teacher_image(self) -> ImageFeatures:
        """Teacher features of the uncropped images."""
        return ImageFeatures(*self._teacher(encoders.whole_images))

    @cached_property
    def teacher_pooled(self) -> torch.Tensor:
        """Teacher global features of the uncropped images, shape (b, d)."""
        if self.recipe.distils_patches:
            return self.teacher_image.pooled
        return self._teacher(encoders.whole_images_pooled)[0]

    @cached_property
    def teacher_views(self) -> torch.Tensor:
        """Teacher features of all global crops, shape (b, crops, d)."""
        return self._teacher(encoders.views)[0]

    @cached_property
    def teacher_texts(self) -> torch.Tensor:
        """Teacher features of as many captions as there are global crops, shape (b, crops, d)."""
        return self._teacher(encoders.view_captions)[0]

    def _student(self, encoder: Encoder) -> tuple[torch.Tensor, ...]:
        return self.cache.leaves(encoder, self.model) if self.cache else encoder(self.model, self.batch)

    @torch.no_grad()
    def _teacher(self, encoder: Encoder) -> tuple[torch.Tensor, ...]:
        return self.cache.encoded(encoder, self.teacher) if self.cache else encoder(self.teacher, self.batch)

    def distillation_scale(self, objective: str) -> torch.Tensor:
        """Return the logit scale of a contrastive distillation loss, learned or as the recipe has it."""
        if objective in self.recipe.learned_scales:
            scale: torch.Tensor = self.state.scales[objective].exp()
            return scale
        return torch.full((), self.recipe.teacher.scale, device=self.model.logit_scale.device)

    @property
    def first_row(self) -> int:
        """Row of this process's first image among those of all processes."""
        return first_row(len(self.batch))


def by_image(features: torch.Tensor, per_image: int) -> torch.Tensor:
    """Reshape (b * per_image, ...) to (b, per_image, ...)."""
    return features.view(-1, per_image, *features.shape[1:])
