"""The parameters of a task card, one class per family. Torch is not imported here: cards are read without it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from goldieval.scoring.mode import checked_mode, dense_mode, needs_pool, shortlist_size
from goldieval.tasks.corruption_params import CorruptionParams


class Pinned(BaseModel):
    """Prompts or class names of the installed clip-benchmark, pinned so that a changed list is an error.

    Attributes:
        clip_benchmark: name of the entry.
        sha256: SHA-256 of the list as compact JSON.
        version: release of clip-benchmark that the list was taken from.
        drop: elements of the list to leave out.
        take: positions of the elements to use, from 0; all by default. The hash is that of the whole list.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    clip_benchmark: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    version: str
    drop: list[str] = []
    take: list[Annotated[int, Field(ge=0)]] = []


class InData(BaseModel):
    """Prompts from the data themselves, where the source names a file of prompts.

    Attributes:
        in_data: always true; it tells this notation from the others.
        sha256: SHA-256 of the list as compact JSON, if it is known; a changed list is then an error.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    in_data: Literal[True]
    sha256: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""


class FamilyParams(BaseModel):
    """Base class of the parameters of a family."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def mode(self, model_mode: str, requested: str | None = None) -> str:
        """Return the scoring mode in which a model is evaluated on the task.

        Args:
            model_mode: the mode that the model declares as its default.
            requested: the mode of ``--scoring``, if any.
        """
        raise NotImplementedError


class SimilarityParams(FamilyParams):
    """Parameters shared by the families that compare images with texts.

    Attributes:
        scoring: scoring mode; ``auto`` is the default of the model, and the record holds the resolved mode.
    """

    scoring: Annotated[str, AfterValidator(checked_mode)] = "auto"

    def mode(self, model_mode: str, requested: str | None = None) -> str:
        """Return the requested mode, else that of the card; ``auto`` is the default of the model."""
        mode = requested or self.scoring
        return model_mode if mode == "auto" else mode


class FewCandidatesParams(SimilarityParams):
    """Parameters shared by the families whose queries have a few candidates each."""

    def mode(self, model_mode: str, requested: str | None = None) -> str:
        """Return the scoring mode. In place of a shortlist all candidates are scored, since there are only a few."""
        mode = super().mode(model_mode, requested)
        return "conditioned" if shortlist_size(mode) else mode


# Names of groups of queries in the data, each reported beside the whole as ``<metric>_<stratum>``.
Strata = list[Annotated[str, Field(pattern="^[a-z0-9_]+$")]]


def _each_contains_the_class(prompts: object) -> object:
    invalid = [prompt for prompt in prompts if "{c}" not in prompt] if isinstance(prompts, list) else []
    if invalid:
        raise ValueError(f"prompt {invalid[0]!r} has no {{c}} where the class name goes")
    return prompts


Listed = Annotated[list[str], Field(min_length=1)]
Prompts = Annotated[Pinned | str | Listed, AfterValidator(_each_contains_the_class)]
PromptsOrInData = Annotated[InData | Pinned | str | Listed, AfterValidator(_each_contains_the_class)]


class ZeroshotParams(CorruptionParams, SimilarityParams):
    """Parameters of zero-shot classification. A string names a text file beside the card with one entry per line.

    Attributes:
        prompts: prompts, in which ``{c}`` stands for the class name.
        class_names: class names in label order; None means those of the data.
        groups: groups of images whose accuracies are also reported, each and the lowest of them. A group of the data
            that is not listed counts in the accuracy of all images only.
        macro_f1: whether the mean over classes of F1 is reported as well.

    Raises:
        ValueError: Groups of images or macro F1 are combined with corruptions.
    """

    prompts: PromptsOrInData
    class_names: Pinned | str | Annotated[list[str], Field(min_length=1)] | None = None
    groups: Strata = []
    macro_f1: bool = False

    @model_validator(mode="after")
    def _copies_of_a_picture_are_one_cluster(self) -> ZeroshotParams:
        if self.corruptions and (self.groups or self.macro_f1):
            raise ValueError(
                "corruptions cannot be combined with groups or macro_f1, whose intervals take pictures as independent: "
                "copy the card without them, with headline acc1"
            )
        return self


class ChoiceParams(FewCandidatesParams):
    """Parameters of choice among a few candidates.

    Attributes:
        strata: groups of queries for which accuracy is also reported.
        sets: whether queries belong to sets that are scored as a whole (text, image and group score).
        text_only: whether the similarity of the true captions to each other is compared with that to the false ones.
        mean_of_groups: whether the mean accuracy over the groups of the data is reported, beside that of all queries.
        least_in_group: groups with fewer queries are left out of that mean.
        groups_left_out: names of further groups that are left out of it.
        same_image: what makes the images of two queries the same one: their ids or, in data that hold a copy of the
            image for every query, their contents. Queries of one image are not independent.
    """

    strata: Strata = []
    sets: bool = False
    text_only: bool = False
    mean_of_groups: bool = False
    least_in_group: Annotated[int, Field(ge=1)] = 1
    groups_left_out: list[str] = []
    same_image: Literal["id", "content"] = "id"


Pixels = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class SegmentationParams(FamilyParams):
    """Parameters of open-vocabulary segmentation without training (SCLIP's pipeline).

    Published numbers depend on every one of them.

    Attributes:
        definition: data set of mmsegmentation whose classes and colours the labels have, for data that name none.
        class_names: names of each class in label order, separated by commas (``background: sky, wall`` gives the label
            as well); the score of a class is that of its best name. A string names a text file beside the card with
            one class per line; None means that the labels are the names.
        prompts: prompts, in which ``{c}`` stands for the class name.
        short_side: side in pixels to which the short side of a picture is resized.
        long_side: largest long side in pixels; it takes precedence over ``short_side``.
        crop: side of the sliding window, in pixels of the resized picture.
        stride: step of the sliding window, in pixels of the resized picture.
        attention: attention of the last block: ``plain``, or ``csa``, SCLIP's correlative self-attention.
        reading: how a patch is compared with a text: ``projection`` (cosine of its own vector), ``pooling`` (cosine of
            the patch pooled for the text) or ``attention-map`` (the attention that the text pays to it); the latter
            two need text-conditioned pooling. ``auto`` is pooling for models with conditioned scoring, else
            projection, and the record holds the resolved value.
        scale: factor of the logits before the softmax over names.
        probability_threshold: for label sets whose class 0 is the background: pixels whose highest probability is
            below it become background.
        area_threshold: for the same label sets: classes on at most that fraction of the pixels of all other classes
            become background.
    """

    definition: str = ""
    class_names: str | Annotated[list[str], Field(min_length=1)] | None = None
    prompts: Prompts
    short_side: Pixels = 336
    long_side: Pixels = 2048
    crop: Pixels = 224
    stride: Pixels = 112
    attention: Literal["plain", "csa"] = "plain"
    reading: Literal["auto", "projection", "pooling", "attention-map"] = "auto"
    scale: Annotated[float, Field(gt=0)] = 40.0
    probability_threshold: Share = 0.0
    area_threshold: Share = 0.0

    @model_validator(mode="after")
    def _windows_cover_the_picture(self) -> SegmentationParams:
        if self.stride > self.crop:
            raise ValueError(
                f"stride {self.stride} is larger than crop {self.crop}: pixels between windows would be skipped"
            )
        if self.short_side > self.long_side:
            raise ValueError(f"short_side {self.short_side} is larger than long_side {self.long_side}")
        return self

    def mode(self, model_mode: str, requested: str | None = None) -> str:
        """Return ``dense:ATTENTION:READING``; results of different modes are in different columns."""
        default_reading = "pooling" if needs_pool(model_mode) else "projection"
        return dense_mode(self.attention, default_reading if self.reading == "auto" else self.reading)
