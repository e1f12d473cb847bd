"""The parameters of a dense probe: how a linear head is fitted to the patch features of a tower."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from goldieval.tasks.params import FamilyParams, Pixels

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Ratio = Annotated[float, Field(ge=0.1, le=10)]
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
    mean_weight: Weight = 1.0
    gradient_weight: Weight = 0.5

    @model_validator(mode="after")
    def _has_a_range(self) -> DepthParams:
        if self.nearest >= self.farthest:
            raise ValueError(f"nearest {self.nearest:g} is not below farthest {self.farthest:g}")
        if not isinstance(self.crop, str) and not (self.crop[0] < self.crop[1] and self.crop[2] < self.crop[3]):
            raise ValueError(f"crop {self.crop} is empty: give first row, end of rows, first column, end of columns")
        return self


OF_PROBES = ("epochs", "learning_rates", "heldout")  # of a frozen tower; cards keep them under --set finetune=true
OF_FINETUNING = ("iterations", "warmup", "tower_rate", "head_rate", "ratios")


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
        depth: range, crop, head and loss, where the target is depth.
        finetune: whether the whole tower is trained as well, by mmsegmentation's runner; then ``epochs``,
            ``learning_rates`` and ``heldout`` have no meaning and are not recorded, and the following do.
        iterations: steps of the fine-tuning.
        warmup: of them, steps in which the learning rates rise linearly; they fall linearly to 0 after that.
        tower_rate: learning rate of the tower.
        head_rate: learning rate of batch norm and linear head.
        ratios: smallest and largest ratio by which a training picture is resized further, before it is cropped.
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
    iterations: Count = 40_000
    warmup: Annotated[int, Field(ge=0)] = 1500
    tower_rate: Positive = 6e-5
    head_rate: Positive = 6e-4
    ratios: Annotated[list[Ratio], Field(min_length=2, max_length=2)] = [0.5, 2.0]

    @model_validator(mode="after")
    def _fits_together(self) -> DenseProbeParams:
        if self.stride > self.crop:
            raise ValueError(f"stride {self.stride} is larger than crop {self.crop}: pixels would be lost")
        if len(set(self.learning_rates)) < len(self.learning_rates):
            raise ValueError("learning_rates has a number twice")
        if self.target != "depth" and self.depth != DepthParams():
            raise ValueError("depth is for target: depth")
        return self

    @model_validator(mode="after")
    def _finetuning_fits_together(self) -> DenseProbeParams:
        fields = type(self).model_fields
        unused = [n for n in OF_FINETUNING if getattr(self, n) != fields[n].default]
        if unused and not self.finetune:
            raise ValueError(f"{unused[0]} needs finetune: true: otherwise it has no meaning")
        if self.finetune and self.target == "depth" and self.ratios != [1, 1]:
            raise ValueError("ratios other than 1 change depths: give ratios: [1, 1] beside target: depth")
        if self.finetune and self.warmup >= self.iterations:
            raise ValueError(f"warmup {self.warmup} is not less than iterations {self.iterations}")
        if self.ratios[0] > self.ratios[1]:
            raise ValueError(f"ratios: the first, {self.ratios[0]}, is larger than the second, {self.ratios[1]}")
        return self

    @property
    def recorded(self) -> dict[str, Any]:
        """The settings that have a meaning, for the record."""
        unused = {*(() if self.target == "depth" else ("depth",)), *(OF_PROBES if self.finetune else ())}
        return self.model_dump(mode="json", exclude=unused)

    def mode(self, model_mode: str, requested: str | None = None) -> str:
        """Return the mode: which features a head is fitted to, or that the tower is trained as well."""
        return f"dense-probe:{'finetuned-' if self.finetune else ''}{self.features}"
