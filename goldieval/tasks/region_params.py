"""The parameters of a task whose queries are boxes in pictures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from goldieval.scoring.mode import needs_pool, region_mode
from goldieval.tasks.params import FamilyParams, Pinned, Prompts, Strata

MOST_PIXELS = 4096  # of the side of a squashed picture


class RegionsParams(FamilyParams):
    """Parameters of naming boxes. Published numbers depend on every one of them.

    Attributes:
        prompts: prompts, in which ``{c}`` stands for the class name; None if every box has candidate texts of its own.
        class_names: class names in label order; None means those of the data.
        lower_case: whether texts are converted to lower case.
        region: how a box becomes a vector: ``roi`` (RoIAlign, 1 x 1, aligned, of the dense map of the whole picture,
            which is squashed to a square) or ``crop`` (the image embedding of the part of the picture in the box).
        resolution: for ``roi``: side in pixels to which the picture is squashed; 0 means the model's own input size.
        attention: for ``roi``: attention of the last block: ``plain``, ``csa`` (SCLIP's correlative self-attention) or
            ``value`` (each patch sees only itself: value and output projections, residual and MLP; MaskCLIP, FG-CLIP).
        reading: for ``roi``: how the vector is compared with a text: ``projection`` (cosine) or ``pooling`` (cosine of
            the vector pooled for the text, which needs text-conditioned pooling). ``auto`` is pooling for models with
            conditioned scoring, else projection, and the record holds the resolved value.
        context: for ``crop``: fraction of width and height that is added to the box on each side.
        fit: for ``crop``: how it becomes an input: ``transform`` (as any picture, which may cut off its ends),
            ``squash`` (to the input size, whatever its shape) or ``pad`` (to a square, with black).
        degenerate: what happens to boxes without area in their picture: ``refuse`` (the task fails) or ``wrong`` (they
            count as wrong answers, so that the number of boxes stays that of the card).
        strata: groups of boxes for which accuracy is also reported.
    """

    prompts: Prompts | None = None
    class_names: Pinned | str | Annotated[list[str], Field(min_length=1)] | None = None
    lower_case: bool = False
    region: Literal["roi", "crop"] = "roi"
    resolution: Annotated[int, Field(ge=0, le=MOST_PIXELS)] = 0
    attention: Literal["plain", "csa", "value"] = "plain"
    reading: Literal["auto", "projection", "pooling"] = "auto"
    context: Annotated[float, Field(ge=0, le=10)] = 0.0
    fit: Literal["transform", "squash", "pad"] = "transform"
    degenerate: Literal["refuse", "wrong"] = "refuse"
    strata: Strata = []

    @model_validator(mode="after")
    def _names_need_prompts(self) -> RegionsParams:
        if self.class_names is not None and self.prompts is None:
            raise ValueError('class_names need prompts, for example ["a photo of a {c}."]')
        return self

    def mode(self, model_mode: str, requested: str | None = None) -> str:
        """Return ``crop``, or ``roi:ATTENTION:READING``; results of different modes are in different columns."""
        default_reading = "pooling" if needs_pool(model_mode) else "projection"
        reading = default_reading if self.reading == "auto" else self.reading
        return region_mode(self.region, self.attention, reading)
