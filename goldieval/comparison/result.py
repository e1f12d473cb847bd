"""The result of a comparison, for the terminal, JSON, pages and notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from goldieval.comparison.pairs import Pair
from goldieval.comparison.sides import Side
from goldieval.records.schema import ModelPart

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["better", "worse", "not separable"]


@dataclass(frozen=True)
class MetricComparison:
    """The test of one metric of one task. Percentages are stored as fractions; differences are B - A.

    Attributes:
        task: name of the task.
        metric: name of the metric.
        protocol: protocol of the task.
        limit: number of images of a subset; None for all.
        heading: heading of the task in the output of a run.
        a: score of A, or the mean over its seeds.
        b: score of B, or the mean over its seeds.
        difference: B - A.
        low: lower end of the 95 % interval of the difference; None if there is no valid interval.
        high: upper end of the interval.
        p_alone: two-sided p-value of this test, not adjusted.
        p: p-value adjusted by Holm for all rows.
        verdict: whether B is better, worse or not separable.
        minimum_detectable_difference: true difference that this test detects with 80 % power at Holm's strictest level.
        method: name of the test.
        n: number of queries.
        clusters: number of independent units among the queries.
        gains: number of queries on which B is better than A; None for several seeds.
        losses: number of queries on which B is worse than A; None for several seeds.
        seeds: number of seeds of A and of B.
        seed_sd: standard deviation of the scores over the seeds of A and of B; None for a single seed.
        seed_error: standard error of the difference due to the choice of seeds, see ``metrics.seeds``.
        sample_error: standard error of the difference due to the choice of samples.
        note: settings in which the two runs differ; empty if there are none.
        unreliable: why the interval may not hold, or why there is none; empty if it holds.
    """

    task: str
    metric: str
    protocol: str
    limit: int | None
    heading: str
    a: float
    b: float
    difference: float
    low: float | None
    high: float | None
    p_alone: float
    p: float
    verdict: Verdict
    minimum_detectable_difference: float
    method: str
    n: int
    clusters: int
    gains: int | None
    losses: int | None
    seeds: tuple[int, int] = (1, 1)
    seed_sd: tuple[float | None, float | None] = (None, None)
    seed_error: float | None = None
    sample_error: float | None = None
    note: str = ""
    unreliable: str = ""


@dataclass(frozen=True)
class CurvePoint:
    """The score of one checkpoint on one task, a point of the curve over a glob of checkpoints.

    Attributes:
        side: ``A`` or ``B``.
        spec: spec of the model.
        task: name of the task.
        metric: name of the headline metric.
        images_seen: number of images seen in training; None if the record does not state it.
        value: the score.
        low: lower end of its 95 % interval; None if there is none.
        high: upper end of the interval.
    """

    side: str
    spec: str
    task: str
    metric: str
    images_seen: int | None
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Comparison:
    """The result of ``compare``.

    Attributes:
        a: the records of A.
        b: the records of B.
        rows: one test each.
        pairs: records of A and B for each row; for several seeds the first pair.
        notes: one line for each task or metric that was not compared, with the reason.
        refused: one line for each task whose samples differ.
        curve: scores of the checkpoints, if a side consists of several.
    """

    a: Side
    b: Side
    rows: list[MetricComparison]
    pairs: list[Pair]
    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    curve: list[CurvePoint] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return the comparison as values that JSON can represent."""
        sides = {name: models(side) for name, side in (("a", self.a), ("b", self.b))}
        rows = [
            asdict(row) | {"a_record": str(both.a.file), "b_record": str(both.b.file)}
            for row, both in zip(self.rows, self.pairs, strict=True)
        ]
        curve = [asdict(point) for point in self.curve]
        return {**sides, "rows": rows, "curve": curve, "notes": self.notes, "refused": self.refused}

    def frame(self) -> pd.DataFrame:
        """Return a table with one row per test."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])


def models(side: Side) -> list[dict[str, Any]]:
    """Return spec, fingerprint, precision and training of each model of a side."""
    keys = {"spec", "fingerprint", "precision", "recipe", "images_seen", "unique_pairs", "seed"}
    groups = [[entry.record.model for entry in side.entries_of(fingerprint)] for fingerprint in side.models]
    return [group[0].model_dump(include=keys) | {"notice": _notices(group)} for group in groups]


def _notices(models: Sequence[ModelPart]) -> str:
    """Return the distinct notices of one model's records, which differ where files of several were imported."""
    return "; ".join(dict.fromkeys(model.notice for model in models if model.notice))
