"""The parameters of a probe: how a classifier is fitted to frozen image embeddings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from goldieval.tasks.params import FamilyParams

PENALTIES = [10, 1, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class ProbeParams(FamilyParams):
    """Parameters of a probe.

    Attributes:
        method: ``logistic``: logistic regression, penalty by held-out loss. ``knn``: weighted vote of the nearest
            training images (DINO). ``prototype``: nearest mean of a class. ``ridge``: closed-form ridge regression
            (big_vision). ``lars``: MAE's recipe of stochastic gradient descent, without its augmentation.
        penalties: penalties on the squared weights relative to the mean loss, tried from the strongest to the weakest.
        heldout: fraction of the train split that is held out to choose the penalty.
        steps: maximum number of solver steps.
        neighbours: numbers of neighbours that vote; the first is that of the main metrics.
        temperature: of the weight of a vote, exp(cosine / temperature).
        l2: weight of the squared weights of the ridge regression, relative to the sum of squared errors.
        shots: numbers of training images per class; empty for the whole train split.
        seeds: number of training samples that are drawn for each number of shots.
        epochs: passes of ``lars`` over the train split.
        warmup: passes in which its learning rate rises.
        batch: training images per step.
        learning_rate: its learning rate for a batch of 256; that of a batch is proportional to the size.
    """

    method: Literal["logistic", "knn", "prototype", "ridge", "lars"] = "logistic"
    penalties: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] = PENALTIES
    heldout: Annotated[float, Field(gt=0, lt=1)] = 0.1
    steps: Count = 5000
    neighbours: Annotated[list[Count], Field(min_length=1)] = [20, 10, 100, 200]
    temperature: Positive = 0.07
    l2: Positive = 1024.0
    shots: list[Count] = []
    seeds: Annotated[int, Field(ge=1, le=1000)] = 5
    epochs: Count = 90
    warmup: Annotated[int, Field(ge=0)] = 10
    batch: Count = 16_384
    learning_rate: Positive = 0.1

    @model_validator(mode="after")
    def _fits_together(self) -> ProbeParams:
        if self.shots and self.method not in ("ridge", "prototype"):
            raise ValueError(f"shots are for method ridge or prototype, not for {self.method}")
        if self.method == "lars" and self.warmup >= self.epochs:
            raise ValueError(f"warmup {self.warmup} is not below epochs {self.epochs}")
        for name in ("neighbours", "shots"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise ValueError(f"{name} has a number twice")
        return self

    def mode(self, model_mode: str, requested: str | None = None) -> Literal["features"]:
        """Return the one mode: a classifier is fitted to image embeddings, and no text is compared."""
        return "features"
