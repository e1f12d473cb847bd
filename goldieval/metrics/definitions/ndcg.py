"""nDCG at k with binary relevance, as MIEB and BEIR report it: the gain of a positive is 1 / log2(1 + its place)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldieval.metrics.all_positives_metric import STRATUM, AllPositivesMetric
from goldieval.metrics.rank_metric import DIRECTION

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.tie_groups import TieGroups


class NormalisedDiscountedGain(AllPositivesMetric):
    """Discounted gain of the first k places, divided by that of a perfect order.

    trec_eval, which MIEB and BEIR call, breaks ties by the names of the documents; here they count as their mean.
    """

    pattern = f"{DIRECTION}_ndcg(?P<k>[1-9][0-9]*){STRATUM}"
    label_format = "{direction} nDCG@{k}"

    def of_groups(self, groups: TieGroups) -> np.ndarray:
        import numpy as np

        from goldieval.metrics.tie_groups import ideal_gain

        k = int(self.parts["k"])
        values: np.ndarray = groups.discounted_gain(k) / ideal_gain(k)[np.minimum(groups.relevant, k)]
        return values
