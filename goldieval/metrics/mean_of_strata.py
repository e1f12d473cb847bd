"""The base of metrics that are a mean over strata or groups of queries, a small one counting as much as a large one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldieval.metrics.metric import Metric

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.intervals import Interval
    from goldieval.metrics.paired_result import Paired
    from goldieval.metrics.query_values import QueryValues


class MeanOfStrata(Metric):
    """Mean over strata of the mean of their queries; ``QueryValues.strata`` says to which one each query belongs."""

    def score(self, values: QueryValues) -> float:
        """Return the mean over strata."""
        _, means, _ = _strata(values)
        return float(means.mean())

    def interval(self, values: QueryValues) -> Interval:
        """Return the mean over strata with the jackknife interval over clusters."""
        from goldieval.metrics.clustered_intervals import clustered_mean_of_groups

        assert values.strata is not None
        return clustered_mean_of_groups(values.values, values.strata, values.groups)

    def influence(self, values: QueryValues) -> np.ndarray:
        """Return the influence of each cluster: a query of a small stratum moves the mean more."""
        from goldieval.metrics.influence import by_cluster

        which, means, sizes = _strata(values)
        return by_cluster((values.values - means[which]) / (sizes[which] * len(sizes)), values.groups)

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models by the paired cluster bootstrap of the mean over strata."""
        from goldieval.metrics.paired_groups import paired_mean_of_groups

        assert a.strata is not None
        return paired_mean_of_groups(a.values, b.values, a.strata, a.groups)


def _strata(values: QueryValues) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the stratum of each query, (queries,), and the mean and the size of each stratum, (strata,)."""
    import numpy as np

    assert values.strata is not None
    which = np.unique(values.strata, return_inverse=True)[1]
    sizes = np.bincount(which)
    return which, np.bincount(which, values.values) / sizes, sizes
