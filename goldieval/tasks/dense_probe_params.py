"""The parameters of a dense probe: how a linear head is fitted to the patch features of a tower."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from goldieval.tasks.params import FamilyParams, Pixels

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Rectangle = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=4, max_length=4)]


class DepthParams(BaseModel):
    """What a dense probe of depth is trained and scored on, and its head; lengths are metres.

    Attributes:
        nearest: pixels whose true depth is not larger are neither trained nor scored; also the first bin.
        farthest: pixels whose true depth is not smaller are neither trained nor scored; also the last bin.
        crop: part of a map that is trained and scored: ``none`` for all of it; ``eigen``, for maps of 640 x 480 pixels;
            ``garg``, as for KITTI; or first row, end of rows, first column and end of columns.
        bins: number of depths that the head scores.
        finer: factor by which the grid of scores is finer than that of the patches.
        mean_weight: weight of the squared mean beside the variance of the error of the logarithm, in the loss.
        gradient_weight: weight of the loss of gradients.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    nearest: Positive = 1e-3
    farthest: Positive = 10.0
    crop: Literal["none", "eigen", "garg"] | Rectangle = "none"
    bins: Annotated[int, Field(ge=2, le=4096)] = 256
    finer: Annotated[int, Field(ge=1, le=16)] = 4
    mean_weight: Weight = 0.15
    gradient_weight: Weight = 0.5

    @model_validator(mode="after")
    def _has_a_range(self) -> DepthParams:
        if self.nearest >= self.farthest:
            raise ValueError(f"nearest {self.nearest:g} is not below farthest {self.farthest:g}")
        if not isinstance(self.crop, str) and not (self.crop[0] < self.crop[1] and self.crop[2] < self.crop[3]):
            raise ValueError(f"crop {self.crop} is empty: give first row, end of rows, first column, end of columns")
        return self


class DenseProbeParams(FamilyParams):
    """Parameters of a dense probe.

    Attributes:
        target: ``classes`` (a label of every pixel) or ``depth`` (metres of every pixel).
        definition: data set of mmsegmentation whose classes the labels have, for data that name none.
        class_names: name of each class in label order, or a text file beside the card with one per line.
        features: ``projected``: patch features in the space of the texts, as ``Dense.dense`` returns them;
            ``tokens``: the patch tokens before the projection, of models that offer them.
        short_side: side in pixels to which the short side of a picture is resized.
        long_side: largest long side in pixels; it takes precedence over ``short_side``.
        crop: side of the sliding window, in pixels of the resized picture.
        stride: step of the sliding window, in pixels of the resized picture.
        epochs: passes over the training windows.
        batch: windows per step.
        learning_rates: those that are tried; the one with the best score on held-out training pictures is used.
        weight_decay: of AdamW.
        heldout: fraction of the train split that is held out to choose the learning rate.
        seeds: number of heads that are trained, each from another initialisation and in another order.
        finetune: whether the whole tower is trained as well, by mmsegmentation's runner.
        depth: range, crop, head and loss, where the target is depth.
    """

    target: Literal["classes", "depth"] = "classes"
    definition: str = ""
    class_names: str | Annotated[list[str], Field(min_length=1)] | None = None
    features: Literal["projected", "tokens"] = "projected"
    short_side: Pixels = 512
    long_side: Pixels = 2048
    crop: Pixels = 512
    stride: Pixels = 341
    epochs: Count = 20
    batch: Count = 16
    learning_rates: Annotated[list[Positive], Field(min_length=1)] = [1e-2, 1e-3, 1e-4]
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.01
    heldout: Annotated[float, Field(gt=0, lt=1)] = 0.1
    seeds: Annotated[int, Field(ge=1, le=100)] = 3
    finetune: bool = False
    depth: DepthParams = DepthParams()

    @model_validator(mode="after")
    def _fits_together(self) -> DenseProbeParams:
        if self.stride > self.crop:
            raise ValueError(f"stride {self.stride} is larger than crop {self.crop}: pixels would be lost")
        if len(set(self.learning_rates)) < len(self.learning_rates):
            raise ValueError("learning_rates has a number twice")
        if self.target != "depth" and "depth" in self.model_fields_set:
            raise ValueError("depth is for target: depth")
        return self

    def mode(self, model_mode: str, requested: str | None = None) -> str:
        """Return the mode: which features a head is fitted to, or that the tower is trained as well."""
        return "dense-probe:finetuned" if self.finetune else f"dense-probe:{self.features}"
