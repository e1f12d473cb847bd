"""The mean over languages of a retrieval metric: every language counts the same, whatever its number of texts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from goldieval.metrics.rank_metric import DIRECTION, RankMetric, both_directions

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.intervals import Interval
    from goldieval.metrics.metric import Metric
    from goldieval.metrics.paired_result import Paired
    from goldieval.metrics.query_values import Columns, QueryValues


STRATUM = "stratum:"


class MeanOfLanguages(RankMetric):
    """Mean over languages of another metric of the same direction, whose kind follows in the name."""

    pattern = f"{DIRECTION}_macro_(?P<kind>.+)"
    place = 0

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return every recall and every other metric that the card names, where there are several languages."""
        kinds = [f"macro_{kind}" for kind in (*(f"r{k}" for k in params.k), *params.metrics)]
        return both_directions(kinds) if len(params.languages) > 1 else []

    @property
    def label(self) -> str:
        return f"{self._of_one().label}, mean of languages"

    @property
    def in_summary(self) -> bool:
        return self._of_one().in_summary

    def values(self, columns: Columns) -> QueryValues | None:
        """Return the values of all queries with the language of each."""
        import numpy as np

        values, names = self._of_one().values(columns), _languages(columns)
        if values is None or len(names) < 2:
            return None
        masks = np.stack([columns[f"{STRATUM}{name}"][values.rows] for name in names], axis=1)
        return replace(values, strata=masks.argmax(axis=1)) if (masks.sum(axis=1) == 1).all() else None

    def guess(self, columns: Columns) -> float | None:
        """Return the mean over languages of what a random order of the gallery gets."""
        import numpy as np

        guesses = [self._of_one(f"_{name}").guess(columns) for name in _languages(columns)]
        known = [guess for guess in guesses if guess is not None]
        return float(np.mean(known)) if known else None

    def score(self, values: QueryValues) -> float:
        """Return the mean over languages."""
        return float(self._means(values).mean())

    def interval(self, values: QueryValues) -> Interval:
        """Return the mean over languages with the jackknife interval over images, each of which has all languages."""
        from goldieval.metrics.clustered_intervals import clustered_mean_of_groups

        assert values.strata is not None
        return clustered_mean_of_groups(values.values, values.strata, values.groups)

    def influence(self, values: QueryValues) -> np.ndarray:
        """Return the influence of each image on the mean over languages."""
        import numpy as np

        from goldieval.metrics.influence import by_cluster

        assert values.strata is not None
        sizes = np.bincount(values.strata)
        moved = (values.values - self._means(values)[values.strata]) / (sizes[values.strata] * len(sizes))
        return by_cluster(moved, values.groups)

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models by the paired bootstrap of images."""
        from goldieval.metrics.paired import paired_sums

        return paired_sums(_sums(a), _sums(b), _mean_of_shares)

    @staticmethod
    def _means(values: QueryValues) -> np.ndarray:
        """Return the mean of each language, (languages,)."""
        import numpy as np

        assert values.strata is not None
        means: np.ndarray = np.bincount(values.strata, values.values) / np.bincount(values.strata)
        return means

    def _of_one(self, stratum: str = "") -> Metric:
        """Return the metric of which this is the mean, of all languages or of one."""
        from goldieval.metrics.registry import metric_of

        return metric_of(f"{self.direction}_{self.parts['kind']}{stratum}")


def _languages(columns: Columns) -> list[str]:
    return [name.removeprefix(STRATUM) for name in columns if name.startswith(STRATUM)]


def _sums(values: QueryValues) -> np.ndarray:
    """Return the sum and the number of the values of each language by image, (images, 2 x languages)."""
    import numpy as np

    assert values.strata is not None
    images, which = np.unique(values.groups, return_inverse=True)
    sums = np.zeros((2, len(images), int(values.strata.max()) + 1))
    np.add.at(sums[0], (which, values.strata), values.values)
    np.add.at(sums[1], (which, values.strata), 1)
    return np.concatenate([*sums], axis=1)


def _mean_of_shares(sums: np.ndarray) -> np.ndarray:
    """Return the mean over languages, (draws,), of sums as of ``_sums``, (draws, 2 x languages)."""
    import numpy as np

    totals, sizes = np.split(sums, 2, axis=1)
    mean: np.ndarray = (totals / np.maximum(sizes, 1)).mean(axis=1)
    return mean
