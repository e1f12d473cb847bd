"""What a comparison found, as the terminal, JSON, the page and a notebook need it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from goldieval.comparison.pairs import Pair
from goldieval.comparison.sides import Side

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["better", "worse", "not separable"]


@dataclass(frozen=True)
class MetricComparison:
    """One metric of one task. Shares are fractions; differences are B - A.

    Attributes:
        task: its name.
        metric: its name.
        protocol: of the task.
        limit: number of images of a subset; None for all.
        heading: under which a run shows the task.
        a: score of A; of several seeds their mean.
        b: score of B.
        difference: B - A.
        low: lower end of the 95 % interval of the difference; None where no interval holds.
        high: upper end.
        p_alone: two-sided p of this test alone.
        p: the same adjusted by Holm for all rows.
        verdict: of B.
        minimum_detectable_difference: what this test finds with 80 % power at Holm's strictest level.
        method: the test.
        n: queries.
        clusters: independent units among them.
        gains: queries on which B does better than A; None of several seeds.
        losses: queries on which B does worse.
        seeds: how many there are on each side.
        seed_sd: standard deviation of scores between seeds of A and of B; None of a single one.
        seed_error: standard error of the difference by the choice of seeds, see ``metrics.seeds``.
        sample_error: the same by the choice of samples.
        note: how the two were run differently, if they were.
        unreliable: why the interval may not hold, or why there is none.
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
    """A checkpoint's score on one task, for the curve of a glob.

    Attributes:
        side: A or B.
        spec: of the model.
        task: its name.
        metric: the headline.
        images_seen: by training; None where the record does not say.
        value: the score.
        low: lower end of its 95 % interval.
        high: upper end.
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
    """What ``compare`` found.

    Attributes:
        a: the records of side A.
        b: those of side B.
        rows: one per test.
        pairs: the records of each row, A's and B's; of several seeds the first.
        notes: what was not compared, and why.
        refused: tasks whose samples differ.
        curve: scores of checkpoints, where a side is a row of them.
    """

    a: Side
    b: Side
    rows: list[MetricComparison]
    pairs: list[Pair]
    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    curve: list[CurvePoint] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return what JSON needs."""
        sides = {name: models(side) for name, side in (("a", self.a), ("b", self.b))}
        rows = [
            asdict(row) | {"a_record": str(both.a.file), "b_record": str(both.b.file)}
            for row, both in zip(self.rows, self.pairs, strict=True)
        ]
        curve = [asdict(point) for point in self.curve]
        return {**sides, "rows": rows, "curve": curve, "notes": self.notes, "refused": self.refused}

    def frame(self) -> pd.DataFrame:
        """Return one row a test."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])


def models(side: Side) -> list[dict[str, Any]]:
    """Return who stands on a side: spec, fingerprint, precision, training, one entry a model."""
    parts = [side.of(fingerprint)[0].record.model for fingerprint in side.models]
    keys = {"spec", "fingerprint", "precision", "notice", "recipe", "images_seen", "unique_pairs", "seed"}
    return [part.model_dump(include=keys) for part in parts]
