"""R-Precision and mAP@R: how many of a query's R positives are among its first R candidates, and how far in front.

Musgrave, Belongie and Lim (2020, A Metric Learning Reality Check); ECCV Caption (Chun et al. 2022) reports both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldieval.metrics.all_positives_metric import STRATUM, AllPositivesMetric
from goldieval.metrics.rank_metric import DIRECTION

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.tie_groups import TieGroups


class MeanAveragePrecisionAtR(AllPositivesMetric):
    """Sum of the precisions at those of the first R places that hold a positive, divided by R."""

    pattern = f"{DIRECTION}_map_at_r{STRATUM}"
    label_format = "{direction} mAP@R"

    def of_groups(self, groups: TieGroups) -> np.ndarray:
        values: np.ndarray = groups.precision_sum(groups.relevant) / groups.relevant
        return values


class RPrecision(AllPositivesMetric):
    """Share of positives among the first R candidates, R being the number of positives."""

    pattern = f"{DIRECTION}_r_precision{STRATUM}"
    label_format = "{direction} R-Precision"

    def of_groups(self, groups: TieGroups) -> np.ndarray:
        values: np.ndarray = groups.found(groups.relevant) / groups.relevant
        return values
