"""MME's scores: accuracy+ (both questions about a picture are right), and the sums over its subtasks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from goldieval.metrics.answer_rules import rule_of
from goldieval.metrics.definitions.accuracy import hits_of
from goldieval.metrics.mean_of_strata import MeanOfStrata
from goldieval.metrics.metric import Metric
from goldieval.metrics.units import SCORE

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.intervals import Interval
    from goldieval.metrics.paired_result import Paired
    from goldieval.metrics.query_values import Columns, QueryValues

PAIRS = "yes and no"  # true answers of rules by which this benchmark is judged
SUM_LABELS = {"perception": "perception", "cognition": "cognition", "mme_total": "perception + cognition"}
BY_COIN = (0.5, 0.25)  # of single questions, and of both questions of a pair, that a coin gets right


class AccuracyPlus(Metric):
    """Share of pictures, of all or of one subtask, both of whose questions are answered right."""

    pattern = "accuracy_plus(_(?P<stratum>.+))?"
    families = ("vqa",)
    label_format = "accuracy+"
    position = (1,)

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the whole and every subtask."""
        names = ["accuracy_plus", *(f"accuracy_plus_{stratum}" for stratum in params.strata)]
        return names if rule_of(params.rule).truths == PAIRS else []

    def guess(self, columns: Columns) -> float | None:
        """Return what a coin gets."""
        return BY_COIN[1]

    def values(self, columns: Columns) -> QueryValues | None:
        """Return whether both questions are right, one value per pair; a pair has the id of its first question."""
        from goldieval.metrics.query_values import rows_of_stratum, select

        rows = rows_of_stratum(columns, self.stratum)
        if rows is None or hits_of(columns) is None:
            return None
        first, _, both = _pairs(columns, rows)
        return select(columns, both, first)

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models by McNemar's exact test of clusters."""
        from goldieval.metrics.paired import paired_hits

        return paired_hits(a.values, b.values, a.groups)


class SumOfSubtasks(MeanOfStrata):
    """Sum over the subtasks of accuracy and accuracy+, in percent each, so that a subtask has at most 200.

    The sum is over the subtasks that the data have: a subset may have fewer. ``QueryValues`` hold the mean of both
    accuracies of each pair, in 0..1.
    """

    pattern = f"(?P<sum>{'|'.join(SUM_LABELS)})"
    families = ("vqa",)
    unit = SCORE
    error_follows_size = False

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the sums of whose subtasks the card has any."""
        from goldieval.metrics.question_pairs import SUMS

        there = [name for name, subtasks in SUMS.items() if set(subtasks) & set(params.strata)]
        return there if rule_of(params.rule).truths == PAIRS else []

    @property
    def label_format(self) -> str:  # type: ignore[override]
        return SUM_LABELS[self.parts["sum"]]

    @property
    def position(self) -> tuple[int, ...]:
        return (-1, list(SUM_LABELS).index(self.parts["sum"]))  # before accuracy

    def has_ceiling(self, headline: str) -> bool:
        """Return False: the ceiling of a card is a share."""
        return False

    def guess(self, columns: Columns) -> float | None:
        """Return what a coin gets: 75 of 200 on each subtask."""
        return 100 * sum(BY_COIN) * len(self._subtasks(columns))

    def values(self, columns: Columns) -> QueryValues | None:
        """Return the mean of accuracy and accuracy+ of each pair, with the number of its subtask."""
        import numpy as np

        from goldieval.metrics.query_values import select

        subtasks = self._subtasks(columns)
        if not subtasks or hits_of(columns) is None:
            return None
        pairs = [_pairs(columns, rows) for rows in subtasks]
        first = np.concatenate([each[0] for each in pairs])
        scores = np.concatenate([(shares + both) / 2 for _, shares, both in pairs])
        numbers = np.repeat(np.arange(len(pairs)), [len(each[0]) for each in pairs])
        return replace(select(columns, scores, first), strata=numbers)

    def score(self, values: QueryValues) -> float:
        """Return the sum."""
        return _most(values) * super().score(values)

    def interval(self, values: QueryValues) -> Interval:
        """Return the sum with the jackknife interval over clusters."""
        mean, most = super().interval(values), _most(values)
        ends = [None if end is None else most * end for end in (mean.low, mean.high)]
        return replace(mean, value=most * mean.value, low=ends[0], high=ends[1])

    def influence(self, values: QueryValues) -> np.ndarray:
        """Return the influence of each cluster on the sum."""
        return _most(values) * super().influence(values)

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models by the paired cluster bootstrap."""
        return super().paired(a, b).scaled(_most(a))

    def _subtasks(self, columns: Columns) -> list[np.ndarray]:
        """Return the rows of each subtask of the sum that the data have."""
        from goldieval.metrics.query_values import rows_of_stratum
        from goldieval.metrics.question_pairs import SUMS

        found = (rows_of_stratum(columns, name) for name in SUMS[self.parts["sum"]])
        return [rows for rows in found if rows is not None]


def _most(values: QueryValues) -> float:
    """Return the highest possible sum."""
    import numpy as np

    from goldieval.metrics.question_pairs import HIGHEST

    assert values.strata is not None
    return HIGHEST * len(np.unique(values.strata))


def _pairs(columns: Columns, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the row of the first question of each pair among some rows, its share of right answers, and if all are.

    Raises:
        ValueError: a pair does not have two questions.
    """
    from goldieval.metrics.query_values import rows_of_stratum
    from goldieval.metrics.question_pairs import SUBTASKS, pair_hits, pair_numbers, subtasks_of

    known = {name: rows_of_stratum(columns, name) for name in SUBTASKS}
    subtasks = subtasks_of(columns["type"], known)
    hits, pictures = hits_of(columns), columns.get("cluster", columns["cluster_id"])
    assert hits is not None
    first, shares, both = pair_hits(hits[rows], pair_numbers(pictures[rows], subtasks[rows]))
    return rows[first], shares, both
