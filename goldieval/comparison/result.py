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
    """One metric of one task. Shares are fractions; the difference is B - A.

    low, high: None where no interval holds.   unreliable: why the interval may not hold, or why there is none.
    p: adjusted by Holm for all rows.   verdict: of B.   smallest: the smallest difference that this test could have
    seen with 80 % power at Holm's strictest level.   gains, losses: queries that B gets and A misses, and the reverse.
    seeds: how many on each side; seed_sd, seed_error, sample_error: see ``metrics.seeds``; None without several.
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
    smallest: float
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
    """A checkpoint's score on one task, for the curve of a glob."""

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

    pairs: the records of each row, A's and B's; of several seeds the first.   notes: what was not compared, and why.
    refused: tasks whose samples differ.
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
