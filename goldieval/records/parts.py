"""The parts of a record that hold numbers: metrics with their intervals, and what a family says beside them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Part(BaseModel):
    """What every part of a record is: frozen, without unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MeasuredMetric(Part):
    """A value with its 95 % interval."""

    value: Finite = Field(description="The score: shares as fractions, ranks as they are.")
    low: Finite | None = Field(description="Lower end of the 95 % interval; null where no interval holds.")
    high: Finite | None = Field(description="Upper end of the 95 % interval; null where no interval holds.")
    n: int = Field(description="Number of outcomes.")
    clusters: int = Field(description="Number of independent units among them, such as images.")
    method: str = Field(description="How the interval was made.")
    unreliable: str = Field(default="", description="Why the interval may not hold, or why there is none.")
    separable: Finite | None = Field(
        default=None,
        description="Minimum detectable difference of two independent models, found with 80 % power.",
    )
    chance: Finite | None = Field(default=None, description="What a guess gets on these data.")
    ceiling: Finite | None = Field(default=None, description="What a perfect model gets, where it is known.")


class ClassScore(Part):
    """One class of a segmentation; null where it has no pixels."""

    iou: Finite | None = Field(description="Intersection over union.")
    accuracy: Finite | None = Field(description="Share of its labelled pixels that were found.")
    pixels: int = Field(description="Labelled pixels.")


class Duplicates(Part):
    """Captions that several images share."""

    captions: int = Field(description="Captions that equal one of another image after stripping white space.")
    images: int = Field(description="Images that have such a caption.")
    raw_captions: int = Field(description="The captions without stripping.")
    raw_images: int = Field(description="Their images without stripping.")


class Truncation(Part):
    """Texts that are longer than the model's context, by its own tokenizer; lengths in tokens, marks included."""

    context: int = Field(description="Tokens of the model's context.")
    texts: int = Field(description="Number of texts.")
    cut: int = Field(description="Number of texts that are cut.")
    share: Finite = Field(description="Fraction of texts that are cut.")
    median: Finite = Field(description="Median length.")
    longest: int = Field(description="Largest length.")


class Probe(Part):
    """How a linear probe was fitted, and what was chosen without looking at a test image."""

    features: str = Field(description="What was learned from.")
    solver: str = Field(description="How the optimum was found.")
    train: int = Field(description="Images of the final fit.")
    heldout: int = Field(description="Images among them that chose the penalty.")
    heldout_by: str = Field(description="How these were chosen.")
    penalties: list[Finite] = Field(description="Penalties tried, on the squared weights over the mean loss.")
    heldout_accuracy: list[Finite] = Field(description="Held-out accuracy of each penalty, in their order.")
    heldout_loss: list[Finite] = Field(
        default=[], description="Held-out cross-entropy in nats, which chooses; records of the first recipe have none."
    )
    penalty: Finite = Field(description="The chosen penalty.")
    steps: int = Field(description="Steps of the solver in the final fit.")
    converged: bool | None = Field(
        default=None, description="Whether the optimum was reached; records of the first recipe do not say."
    )


class Ties(Part):
    """Queries whose best positive ties with a negative."""

    queries: int = Field(default=0, description="Number of such queries.")
    gap: Finite = Field(default=0.0, description="What the ties are worth at most, as a fraction.")


class Approximation(Part):
    """What a shortlist loses in one direction, against exact scores of a sample of queries."""

    shortlist: int = Field(description="Candidates per query.")
    queries: int = Field(description="Queries that were sampled.")
    of: int = Field(description="Queries that there are.")
    seed: int = Field(description="Seed of the sample.")
    best_lost: MeasuredMetric = Field(
        description="Share of queries whose best-scoring candidate is not on the shortlist."
    )
    positive_lost: MeasuredMetric = Field(description="Share of queries whose best positive is not on the shortlist.")
    loss: dict[str, MeasuredMetric] = Field(description="Exact less shortlisted score, by metric.")


class Outcomes(Part):
    """The Parquet file beside the record."""

    file: str = Field(description="Its name.")
    sha256: str = Field(description="SHA-256 of its bytes.")
    rows: int = Field(description="Number of rows.")
