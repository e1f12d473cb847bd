"""Top-k accuracy: the true class or candidate is among the first k, in the order of arg-max."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from goldieval.metrics.metric import Metric

if TYPE_CHECKING:
    from goldieval.metrics.paired_result import Paired
    from goldieval.metrics.query_values import Columns, QueryValues


class TopK(Metric):
    """Share of images or boxes whose true class is among the first k; of equals, the one that is listed first wins.

    It is of all images, or of those of one group.
    """

    pattern = "acc(?P<k>[0-9]+)(_in_(?P<stratum>.+))?"
    families: ClassVar[tuple[str, ...]] = ("probe", "regions", "zeroshot")
    label_format = "top-{k}"

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return top-1 and top-5, also of every group; records of at most five classes have no top-5.

        Several classifiers, of few-shot learning, have neither.
        """
        groups = getattr(params, "groups", [])
        whole = [] if getattr(params, "shots", []) else ["acc1", "acc5"]
        return [*whole, *(f"{name}_in_{group}" for name in whole for group in groups)]

    @property
    def k(self) -> int:
        """Number of classes among which the true one is looked for."""
        return int(self.parts["k"])

    @property
    def whole(self) -> str:
        return f"acc{self.k}"

    @property
    def position(self) -> tuple[int, ...]:
        return (3, self.k) if self.stratum else (0,)

    @property
    def in_summary(self) -> bool:
        return self.k in (1, 5) and not self.stratum

    @property
    def is_proportion(self) -> bool:
        return not self.stratum

    def chance(self, counts: Mapping[str, int]) -> float | None:
        """Return k in the number of classes."""
        return min(1.0, self.k / counts["classes"]) if "classes" in counts else None

    @property
    def guessed_like(self) -> str:
        return "accuracy" if self.name == "acc1" else ""

    def guess(self, columns: Columns) -> float | None:
        """Return k in the number of candidates, where queries have candidates of their own."""
        if "candidates" not in columns:
            return None
        return float((self.k / columns["candidates"]).clip(max=1).mean())

    def measurable(self, counts: Mapping[str, int]) -> bool:
        """Return whether there are more than k classes; top-1 is always measured."""
        return self.k == 1 or counts["classes"] > self.k

    def values(self, columns: Columns) -> QueryValues | None:
        """Return hits, 0 or 1."""
        import numpy as np

        from goldieval.metrics.query_values import select

        if "place" not in columns or (self.stratum and "group" not in columns):
            return None
        rows = np.flatnonzero(columns["group"] == self.stratum) if self.stratum else None
        hits = (columns["place"] < self.k).astype(float)
        return select(columns, hits if rows is None else hits[rows], rows)

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models by McNemar's exact test."""
        from goldieval.metrics.paired import paired_hits

        return paired_hits(a.values, b.values, a.groups)
