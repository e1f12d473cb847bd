"""The parts of a recipe that are about its losses: objectives, weights, teacher and warm start; all checked."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from goldieval.goldiclip.number_types import Count, Fraction, Number, Positive
from goldieval.goldiclip.recipe_parts import Part

Objective = Literal[
    "softmax",
    "sigmoid",
    "conditioned",
    "distil_agnostic",
    "distil_conditioned",
    "caption",
    "vqa",
    "token_classes",
    "foils",
    "foils_conditioned",
    "views",
    "cross_modal",
    "grouping",
]
MAX_LOGIT_SCALE = 100  # training does not let a scale grow beyond it either
LogitScale = Annotated[Number, Field(ge=1, le=MAX_LOGIT_SCALE)]


class Weighting(Part):
    """How losses are weighted.

    Attributes:
        kind: ``fixed`` (by the weights in ``objectives``), or ``uncertainty`` (weights are learned).
        lr: Learning rate of the learned weights.
        warm_up: Steps after which the optimiser alone moves the learned weights.
        relative: Largest learned weight of a loss, as a multiple of that of the contrast (``softmax`` or ``sigmoid``)
            and apart from what ``objectives`` says of the two. With it, contrastive distillation is taken less its
            floor, as token classes and DINO always are. Null sets no such bound.
    """

    kind: Literal["uncertainty", "fixed"] = "fixed"
    lr: Positive = 1e-2
    warm_up: Count = 20
    relative: Positive | None = None

    @model_validator(mode="after")
    def _only_learned_weights_are_bounded(self) -> Weighting:
        if self.relative is not None and self.kind != "uncertainty":
            raise ValueError(f"relative needs kind uncertainty; {self.kind} weights are those of objectives")
        return self


class Teacher(Part):
    """The teacher of self-distillation.

    Attributes:
        momentum: Momentum of the moving average of the student's weights.
        loss: Form of the distillation loss.
        captions: Captions per image that condition the teacher's pooling.
        scale: Logit scale of ``info_nce``, at the start if it is learned.
        largest_scale: Bound of a learned logit scale, of which each of the two distillation losses then has one; null
            keeps the scale as it is.
    """

    momentum: Fraction = 0.99
    loss: Literal["dino", "info_nce", "cosine"] = "dino"
    captions: Count = 2
    scale: LogitScale = 10.0
    largest_scale: LogitScale | None = None

    @model_validator(mode="after")
    def _scale_is_within_its_bound(self) -> Teacher:
        if self.largest_scale is not None and self.scale > self.largest_scale:
            raise ValueError(f"scale {self.scale:g} exceeds largest_scale {self.largest_scale:g}")
        return self

    def misfit(self, has_head: bool) -> str:
        """Return why settings that only the contrastive form has do not fit this form, or an empty string.

        Args:
            has_head: Whether the model has projection heads for distillation.
        """
        if self.loss == "info_nce":
            return ""
        if own := self.changed("scale", "largest_scale"):
            return f"teacher.{own[0]} needs teacher.loss info_nce, which it scales; it is {self.loss}"
        why = "it has heads of its own" if self.loss == "dino" else "a head can make all features the same"
        return f"model.distillation_head needs teacher.loss info_nce; with {self.loss}, {why}" if has_head else ""


class WarmStart(Part):
    """A first phase with fewer objectives.

    Attributes:
        steps: Steps of the phase.
        objectives: Objectives that are active in it; the others join afterwards.
    """

    steps: Count
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1)]
