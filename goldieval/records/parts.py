"""The parts of a record that hold numbers: metrics with their intervals, and measurements of single families."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Part(BaseModel):
    """Base class of the parts of a record: immutable, without unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MeasuredMetric(Part):
    """A value with its 95 % interval."""

    value: Finite = Field(description="The score: shares as fractions, ranks in ranks.")
    low: Finite | None = Field(description="Lower end of the 95 % interval; null if there is no valid interval.")
    high: Finite | None = Field(description="Upper end of the 95 % interval; null if there is no valid interval.")
    n: int = Field(description="Number of outcomes.")
    clusters: int = Field(description="Number of independent units among the outcomes, such as images.")
    method: str = Field(description="How the interval was computed.")
    unreliable: str = Field(
        default="", description="Why the interval may be invalid, or why there is none; else empty."
    )
    separable: Finite | None = Field(
        default=None,
        description="Minimum detectable difference: the smallest one that two independent models show with 80 % power.",
    )
    chance: Finite | None = Field(
        default=None, description="Chance level: the expected score of a random guess on these data."
    )
    blind: Finite | None = Field(
        default=None,
        description="Score of the same model on the texts alone: every image is replaced by the mean of all images.",
    )
    ceiling: Finite | None = Field(default=None, description="Score of a perfect model, if it is known.")
    seed_scores: tuple[Finite, ...] = Field(
        default=(), description="Score of each seed, of which the value is the mean; empty without a choice of seeds."
    )
    sample_error: Finite | None = Field(
        default=None, description="Standard error by the choice of samples, where several seeds were trained."
    )
    seed_error: Finite | None = Field(
        default=None, description="Standard error by the choice of seeds, where several were trained."
    )


class ClassScore(Part):
    """Scores of one class of a segmentation; null if the class has no pixels."""

    iou: Finite | None = Field(description="Intersection over union.")
    accuracy: Finite | None = Field(description="Fraction of its labelled pixels that were predicted as this class.")
    pixels: int = Field(description="Number of labelled pixels.")


class Duplicates(Part):
    """Captions that several images share."""

    captions: int = Field(description="Captions that equal a caption of another image after stripping white space.")
    images: int = Field(description="Images that have such a caption.")
    raw_captions: int = Field(description="The same count without stripping.")
    raw_images: int = Field(description="The images without stripping.")


class Truncation(Part):
    """Texts that are longer than the model's context. Lengths are in tokens, special tokens included."""

    context: int = Field(description="Length of the model's context.")
    texts: int = Field(description="Number of texts.")
    cut: int = Field(description="Number of truncated texts.")
    share: Finite = Field(description="Fraction of texts that are truncated.")
    median: Finite = Field(description="Median length of the texts.")
    longest: int = Field(description="Length of the longest text.")


class Probe(Part):
    """How the classifier of a probe was fitted and, for logistic regression, which penalty was chosen."""

    method: str = Field(
        default="logistic", description="Method: logistic, knn, prototype, ridge, lars or dense-linear."
    )
    features: str = Field(description="Features that the classifier was fitted to.")
    solver: str = Field(description="Solver and its stopping rule.")
    train: int = Field(description="Number of images of the final fit; of several samples, of their union.")
    settings: dict[str, Any] = Field(
        default={}, description="Settings of methods other than logistic, such as neighbours, shots, seeds and l2."
    )
    heldout: int = Field(default=0, description="Number of them that were held out to choose the penalty.")
    heldout_by: str = Field(default="", description="How the held-out images were selected.")
    penalties: list[Finite] = Field(
        default=[], description="Penalties that were tried, on the squared weights relative to the mean loss."
    )
    heldout_accuracy: list[Finite] = Field(
        default=[], description="Held-out accuracy of each penalty, in the order of ``penalties``."
    )
    heldout_loss: list[Finite] = Field(
        default=[],
        description="Held-out cross-entropy of each penalty in nats, the criterion; empty in records of recipe 1.",
    )
    penalty: Finite | None = Field(default=None, description="The chosen penalty; null for other methods.")
    steps: int = Field(default=0, description="Number of solver steps of the final fit; 0 for closed forms.")
    converged: bool | None = Field(
        default=None, description="Whether the solver converged; null in records of recipe 1 and for other methods."
    )
    learning_rates: list[Finite] = Field(default=[], description="Learning rates of a dense probe that were tried.")
    heldout_metric: str = Field(
        default="", description="Score by which the learning rate was chosen, higher is better."
    )
    heldout_scores: list[Finite] = Field(
        default=[], description="That score on the held-out images, in the order of ``learning_rates``."
    )
    learning_rate: Finite | None = Field(default=None, description="The chosen learning rate; null for other methods.")
    heads: int = Field(default=0, description="Number of heads, each of another seed; 0 for other methods.")


class ReliabilityBin(Part):
    """Images whose confidence is above ``low`` and at most ``high``."""

    low: Finite = Field(description="Lower end, exclusive.")
    high: Finite = Field(description="Upper end, inclusive.")
    count: int = Field(description="Number of images.")
    confidence: Finite = Field(description="Their mean confidence; 0 if there are none.")
    accuracy: Finite = Field(description="Share of them whose predicted class is right; 0 if there are none.")


class Calibration(Part):
    """The probabilities of a classification, and the bins of its reliability diagram."""

    probabilities: str = Field(description="What the probabilities are; empty if there are none.")
    missing: str = Field(default="", description="Why there are no probabilities, or no classwise error; else empty.")
    bins: list[ReliabilityBin] = Field(default=[], description="Images by confidence, in bins of equal width.")
    bias: dict[str, Finite] = Field(
        default={},
        description="By how much each binned error is expected to exceed the true one, whose value it does not change.",
    )


class Ties(Part):
    """Queries whose best positive ties with a negative."""

    queries: int = Field(default=0, description="Number of such queries.")
    gap: Finite = Field(
        default=0.0, description="Largest change of a recall that breaking the ties can cause, as a fraction."
    )


class Approximation(Part):
    """Loss of a shortlist in one direction, measured against exact scores of a sample of queries."""

    shortlist: int = Field(description="Number of candidates per query.")
    queries: int = Field(description="Number of sampled queries.")
    of: int = Field(description="Number of all queries.")
    seed: int = Field(description="Seed of the sample.")
    best_lost: MeasuredMetric = Field(
        description="Fraction of queries whose best-scoring candidate is not on the shortlist."
    )
    positive_lost: MeasuredMetric = Field(
        description="Fraction of queries whose best positive is not on the shortlist."
    )
    loss: dict[str, MeasuredMetric] = Field(description="Exact score minus shortlisted score, by metric.")


class Outcomes(Part):
    """The Parquet file of per-sample outcomes beside the record."""

    file: str = Field(description="Name of the file.")
    sha256: str = Field(description="SHA-256 of its bytes.")
    rows: int = Field(description="Number of rows.")
