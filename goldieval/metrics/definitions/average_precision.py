"""Mean average precision over the whole ranking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldieval.metrics.all_positives_metric import STRATUM, AllPositivesMetric
from goldieval.metrics.rank_metric import DIRECTION

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.tie_groups import TieGroups


class MeanAveragePrecision(AllPositivesMetric):
    """Mean over a query's positives of the precision at the place of each; 0 for one that is not in the gallery."""

    pattern = f"{DIRECTION}_map(?!_at_r){STRATUM}"
    label_format = "{direction} mAP"

    def of_groups(self, groups: TieGroups) -> np.ndarray:
        values: np.ndarray = groups.precision_sum() / groups.relevant
        return values
