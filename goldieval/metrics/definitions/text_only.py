"""SugarCrepe++'s text-only score: the true captions of an item are closer to each other than to the false one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from goldieval.metrics.definitions.accuracy import MeanAccuracy, groups_of
from goldieval.metrics.metric import Metric

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.paired_result import Paired
    from goldieval.metrics.query_values import Columns, QueryValues


class TextOnly(Metric):
    """Share of queries whose true texts are closer to each other than any of them to a false one; no image is seen."""

    pattern = "text_only(_(?P<stratum>.+))?"
    families = ("choice",)
    label_format = "text only"
    sees_images = False
    position = (3,)

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the whole and every stratum, where the card asks for it."""
        return ["text_only", *(f"text_only_{stratum}" for stratum in params.strata)] if params.text_only else []

    @property
    def is_proportion(self) -> bool:
        return not self.stratum

    def values(self, columns: Columns) -> QueryValues | None:
        """Return hits in 0..1 of the queries of its stratum; a tie shares the hit."""
        from goldieval.metrics.query_values import rows_of_stratum, select

        rows = rows_of_stratum(columns, self.stratum)
        return None if "text_only" not in columns or rows is None else select(columns, columns["text_only"][rows], rows)

    def guess(self, columns: Columns) -> float | None:
        """Return what cosines in random order get."""
        from goldieval.metrics.query_values import rows_of_stratum

        rows = rows_of_stratum(columns, self.stratum)
        chance = columns.get("text_only_chance")
        return float(chance[rows].mean()) if chance is not None and rows is not None else None

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models by McNemar's exact test, or by the bootstrap where ties share hits."""
        from goldieval.metrics.paired import paired_hits

        return paired_hits(a.values, b.values, a.groups)


class MeanTextOnly(MeanAccuracy):
    """Mean of the text-only scores of the strata."""

    pattern = "mean_text_only"
    label_format = "text only, mean of groups"
    sees_images = False
    position = (3,)

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the one name, where there are several strata and the card asks for the score."""
        return [cls.pattern] if params.text_only and len(params.strata) > 1 else []

    def hits(self, columns: Columns) -> np.ndarray | None:
        return columns.get("text_only")

    def guess(self, columns: Columns) -> float | None:
        """Return the mean over groups of what cosines in random order get."""
        import numpy as np

        chance = columns.get("text_only_chance")
        rows = groups_of(columns)
        return None if chance is None else float(np.mean([chance[each].mean() for each in rows]))
