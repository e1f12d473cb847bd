"""What a task card may set under ``params``, family by family. No torch here: cards are read without it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from goldieval.scoring.mode import checked_mode, dense_mode, needs_pool, shortlist_size


class Pinned(BaseModel):
    """Prompts or class names of the installed clip-benchmark, pinned so that a drift is an error and not a surprise.

    sha256: of the list as compact JSON.   version: the clip-benchmark release that it was taken from.
    drop: entries to leave out of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    clip_benchmark: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    version: str
    drop: list[str] = []


class FamilyParams(BaseModel):
    """What the parameters of every family offer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def mode(self, own: str, asked: str | None = None) -> str:
        """Return the scoring mode in which a model meets the task.

        Args:
            own: the mode that the model declares for itself.
            asked: the mode that the run asks for, if any.
        """
        raise NotImplementedError


class SimilarityParams(FamilyParams):
    """Shared by the families that compare images with texts.

    Attributes:
        scoring: ``auto`` is the model's own mode; the record holds what it was resolved to.
    """

    scoring: Annotated[str, AfterValidator(checked_mode)] = "auto"

    def mode(self, own: str, asked: str | None = None) -> str:
        """Return what the run asks for, else what the card says; ``auto`` is the model's own."""
        wanted = asked or self.scoring
        return own if wanted == "auto" else wanted


# Groups of queries of the data whose scores are reported beside the whole, as ``<metric>_<stratum>``.
Strata = list[Annotated[str, Field(pattern="^[a-z0-9_]+$")]]


class RetrievalParams(SimilarityParams):
    """``strata`` are groups of texts: recall of text to image is reported for each."""

    k: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] = [1, 5, 10]
    strata: Strata = []


def _each_has_a_place_for_the_class(prompts: object) -> object:
    bare = [prompt for prompt in prompts if "{c}" not in prompt] if isinstance(prompts, list) else []
    if bare:
        raise ValueError(f"prompt {bare[0]!r} has no {{c}} where the class name goes")
    return prompts


Prompts = Annotated[
    Pinned | str | Annotated[list[str], Field(min_length=1)], AfterValidator(_each_has_a_place_for_the_class)
]


class ZeroshotParams(SimilarityParams):
    """``{c}`` in a prompt stands for the class name. A string names a text file beside the card, one entry a line."""

    prompts: Prompts
    class_names: Pinned | str | Annotated[list[str], Field(min_length=1)] | None = None


class ChoiceParams(SimilarityParams):
    """``sets``: queries come in sets that are right together; text, image and group scores are reported."""

    strata: Strata = []
    sets: bool = False

    def mode(self, own: str, asked: str | None = None) -> str:
        """Return the scoring mode. A few candidates are no gallery: where a shortlist is asked for, all are scored."""
        wanted = super().mode(own, asked)
        return "conditioned" if shortlist_size(wanted) else wanted


PENALTIES = [10, 1, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7]


class ProbeParams(FamilyParams):
    """How a linear probe is fitted.

    Attributes:
        penalties: on the squared weights over the mean loss, tried from the strongest on.
        heldout: part of train that chooses among them.
        steps: maximum number of solver steps.
    """

    penalties: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] = PENALTIES
    heldout: Annotated[float, Field(gt=0, lt=1)] = 0.1
    steps: Annotated[int, Field(ge=1)] = 5000

    def mode(self, own: str, asked: str | None = None) -> Literal["features"]:
        """The image embeddings are learned from; no text is compared."""
        return "features"


class VqaParams(FamilyParams):
    strata: Strata = []

    def mode(self, own: str, asked: str | None = None) -> Literal["generate"]:
        """The model writes its answers; nothing is compared."""
        return "generate"


Pixels = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class SegmentationParams(FamilyParams):
    """Open-vocabulary segmentation without training (SCLIP's pipeline); every field has moved a published number.

    definition: data set of mmsegmentation whose classes and colours these labels have, for data that name none.
    class_names: what the texts call each class in label order, several names with commas between them
        (``background: sky, wall`` gives the label too); a class scores what its best name scores. A string is a file
        beside the card, one class a line. None: the names of the labels.
    short_side, long_side: pictures are resized to this short side, unless the long one would become longer than that.
    crop, stride: of the sliding window, pixels of the resized picture.
    attention: of the last block: ``plain``, or ``csa``, by like queries and like keys (SCLIP).
    reading: what a patch says of a text: ``projection`` (cosine of its own vector), ``pooling`` (of itself pooled for
        the text), ``attention-map`` (the attention it gets); the latter two need text-conditioned pooling. ``auto`` is
        pooling for models that score text-conditioned, else projection; the record holds what it was resolved to.
    scale: factor of the logits before the softmax over names.   probability_threshold, area_threshold: for sets whose
        class 0 is background: pixels less sure than that, and classes on at most that share of all other classes'
        pixels, become background.
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
    def _windows_leave_no_gap(self) -> SegmentationParams:
        if self.stride > self.crop:
            raise ValueError(
                f"stride {self.stride} is larger than crop {self.crop}: pixels between windows are never seen"
            )
        if self.short_side > self.long_side:
            raise ValueError(f"short_side {self.short_side} is larger than long_side {self.long_side}")
        return self

    def mode(self, own: str, asked: str | None = None) -> str:
        """Patches are compared with texts, by an attention and a reading that never share a column with others."""
        own_reading = "pooling" if needs_pool(own) else "projection"
        return dense_mode(self.attention, own_reading if self.reading == "auto" else self.reading)
