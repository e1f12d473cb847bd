"""Precision, recall, F1 and share of yes of questions that are answered yes or no, and their means over groups."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from goldieval.metrics.answer_rules import rule_of
from goldieval.metrics.metric import Metric

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.intervals import Interval
    from goldieval.metrics.paired import Statistic
    from goldieval.metrics.paired_result import Paired
    from goldieval.metrics.query_values import Columns, QueryValues

LABELS = {"precision": "precision", "recall": "recall", "f1": "F1", "yes_rate": "answers yes"}
ORDER = tuple(LABELS)
SINGLE = "yes or no"  # true answers of rules by which such questions are judged


class YesNoScore(Metric):
    """A score of all questions, or of those of one group, from the table of right and wrong answers."""

    pattern = f"(?P<score>{'|'.join(LABELS)})(_(?P<stratum>.+))?"
    families = ("vqa",)
    error_follows_size = False

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the scores of the whole and of every stratum, where questions are answered yes or no."""
        groups = ["", *(f"_{stratum}" for stratum in params.strata)]
        names = [f"{score}{group}" for score in LABELS for group in groups]
        return names if rule_of(params.rule).truths == SINGLE else []

    @property
    def kind(self) -> str:
        """The score, by its name."""
        return self.parts["score"]

    @property
    def label_format(self) -> str:  # type: ignore[override]
        return LABELS[self.kind]

    @property
    def position(self) -> tuple[int, ...]:
        return (2, ORDER.index(self.kind))

    @property
    def in_summary(self) -> bool:
        """Whether the table at the end of a run shows it: F1 of every split, as papers have it."""
        return not self.stratum or self.kind == "f1"

    @property
    def comparable(self) -> bool:  # type: ignore[override]
        """Whether more is better: not for the share of yes, which is right where it is the share of true ones."""
        return self.kind != "yes_rate"

    def guess(self, columns: Columns) -> float | None:
        """Return what a model gets that always says yes; None for its share of yes."""
        from goldieval.metrics.ratios_of_sums import score_of

        found = self.values({**columns, "parsed": _always_yes(columns)}) if self.comparable else None
        return None if found is None else score_of(self._score, self._sums(found))

    def values(self, columns: Columns) -> QueryValues | None:
        """Return hits, 0 or 1, with what each answer says and the number of its group."""
        from goldieval.metrics.query_values import select

        rows = self._rows(columns) if {"parsed", "answer"} <= set(columns) else None
        if rows is None:
            return None
        chosen, groups = rows
        says, is_yes = (columns[name][chosen] == "yes" for name in ("parsed", "answer"))
        found = select(columns, (says == is_yes).astype(float), chosen)
        return replace(found, predictions=says.astype(int), strata=groups)

    def score(self, values: QueryValues) -> float:
        from goldieval.metrics.ratios_of_sums import score_of

        return score_of(self._score, self._sums(values))

    def interval(self, values: QueryValues) -> Interval:
        """Return the score with the jackknife interval over clusters."""
        from goldieval.metrics.ratios_of_sums import interval_of

        return interval_of(self._score, self._sums(values), len(values.values))

    def influence(self, values: QueryValues) -> np.ndarray:
        from goldieval.metrics.ratios_of_sums import influence_of

        return influence_of(self._score, self._sums(values))

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models by the paired cluster bootstrap."""
        from goldieval.metrics.ratios_of_sums import paired_of

        return paired_of(self._score, self._sums(a), self._sums(b), (a.values, b.values))

    def _rows(self, columns: Columns) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the rows of the queries, and the number of the group of each; None where there are none."""
        import numpy as np

        from goldieval.metrics.query_values import rows_of_stratum

        rows = rows_of_stratum(columns, self.stratum)
        return None if rows is None else (rows, np.zeros(len(rows), dtype=int))

    @property
    def _score(self) -> Statistic:
        from goldieval.metrics.yes_or_no import mean_score

        return mean_score(self.kind)

    def _sums(self, values: QueryValues) -> np.ndarray:
        """Return the table of each cluster, (clusters, cells)."""
        from goldieval.metrics.ratios_of_sums import summed
        from goldieval.metrics.yes_or_no import table

        assert values.predictions is not None and values.strata is not None
        says = values.predictions > 0
        return summed(table(says, says == (values.values > 0), values.strata), values.groups)


class MeanYesNoScore(YesNoScore):
    """The mean of a score over the groups of questions, such as the splits of POPE."""

    pattern = f"mean_(?P<score>{'|'.join(LABELS)})"

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the means, where there are several groups; that of accuracy is a kind of its own."""
        several = rule_of(params.rule).truths == SINGLE and len(params.strata) > 1
        return [f"mean_{score}" for score in ("accuracy", *LABELS)] if several else []

    @property
    def label_format(self) -> str:  # type: ignore[override]
        return f"{LABELS[self.kind]}, mean of groups"

    @property
    def position(self) -> tuple[int, ...]:
        return (1, ORDER.index(self.kind))

    def _rows(self, columns: Columns) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the rows of every group, one after the other; a query of several groups is there several times."""
        import numpy as np

        from goldieval.metrics.query_values import rows_of_stratum, strata_of

        groups = [rows for name in strata_of(columns) if (rows := rows_of_stratum(columns, name)) is not None]
        if len(groups) < 2:
            return None
        return np.concatenate(groups), np.repeat(np.arange(len(groups)), [len(rows) for rows in groups])


def _always_yes(columns: Columns) -> np.ndarray:
    import numpy as np

    return np.full(len(columns["sample_id"]), "yes", dtype=object)
