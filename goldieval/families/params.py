"""What a task card may set under ``params``, family by family. No torch here: cards are read without it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from goldieval.scoring.mode import checked_mode, shortlist_size


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


class Params(BaseModel):
    """Shared by the families that compare images with texts.

    scoring: ``auto`` is the model's own declared mode; the record holds what it was resolved to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    scoring: Annotated[str, AfterValidator(checked_mode)] = "auto"

    def mode(self, own: str, asked: str | None = None) -> str:
        """Return the scoring mode: what the run asks for, else the card; ``auto`` is the model's ``own``."""
        wanted = asked or self.scoring
        return own if wanted == "auto" else wanted


# Groups of queries of the data whose scores are reported beside the whole, as ``<metric>_<stratum>``.
Strata = list[Annotated[str, Field(pattern="^[a-z0-9_]+$")]]


class RetrievalParams(Params):
    """``strata`` are groups of texts: recall of text to image is reported for each."""

    k: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] = [1, 5, 10]
    strata: Strata = []


class ZeroshotParams(Params):
    """``{c}`` in a prompt stands for the class name. A string names a text file beside the card, one entry a line."""

    prompts: Pinned | str | Annotated[list[str], Field(min_length=1)]
    class_names: Pinned | str | Annotated[list[str], Field(min_length=1)] | None = None

    @field_validator("prompts")
    @classmethod
    def _each_has_a_place_for_the_class(cls, prompts: object) -> object:
        if isinstance(prompts, list):
            bare = [prompt for prompt in prompts if "{c}" not in prompt]
            if bare:
                raise ValueError(f"prompt {bare[0]!r} has no {{c}} where the class name goes")
        return prompts


class ChoiceParams(Params):
    """``sets``: queries come in sets that are right together; text, image and group scores are reported."""

    strata: Strata = []
    sets: bool = False

    def mode(self, own: str, asked: str | None = None) -> str:
        """Return the scoring mode. A few candidates are no gallery: where a shortlist is asked for, all are scored."""
        wanted = super().mode(own, asked)
        return "conditioned" if shortlist_size(wanted) else wanted


class ProbeParams(BaseModel):
    """How a linear probe is fitted.

    penalties: tried, on the squared weights over the mean loss.   heldout: part of train that chooses among them.
    steps: of the solver, at most.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    penalties: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] = [1, 0.1, 0.01, 1e-3, 1e-4, 1e-5]
    heldout: Annotated[float, Field(gt=0, lt=1)] = 0.1
    steps: Annotated[int, Field(ge=1)] = 300

    def mode(self, own: str, asked: str | None = None) -> Literal["features"]:
        """The image embeddings are learned from; no text is compared."""
        return "features"


class VqaParams(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    strata: Strata = []

    def mode(self, own: str, asked: str | None = None) -> Literal["generate"]:
        """The model writes its answers; nothing is compared."""
        return "generate"
