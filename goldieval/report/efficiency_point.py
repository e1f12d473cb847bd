"""One model in the data-efficiency plot."""

from __future__ import annotations

from dataclasses import dataclass

from goldieval.report.score import Kind


@dataclass(frozen=True)
class EfficiencyPoint:
    """One model.

    Attributes:
        name: name of the model.
        kind: where the score comes from.
        score: score in percent.
        low: lower end of its interval in percent; None where there is none.
        high: upper end of the interval.
        unique_pairs: distinct training pairs; None where not known.
        images_seen: images that training saw; None where not known.
        other_scoring: its scoring mode, if it differs from that of the other points; else empty.
        spec: spec that loads it; empty where there is none.
        asked: whether the user asked for its label.
        frontier: whether no point with as little training data has a higher score, on the axis that is drawn.
    """

    name: str
    kind: Kind
    score: float
    low: float | None
    high: float | None
    unique_pairs: int | None
    images_seen: int | None
    other_scoring: str = ""
    spec: str = ""
    asked: bool = False
    frontier: bool = False

    @property
    def label(self) -> str:
        """The text beside its point."""
        return f"{self.name} ({self.other_scoring})" if self.other_scoring else self.name

    @property
    def rank(self) -> int | None:
        """The order in which labels get their place: asked for, frontier, measured; None for no label."""
        ranks = (self.asked, self.frontier, self.kind == "ours")
        return ranks.index(True) if any(ranks) else None
