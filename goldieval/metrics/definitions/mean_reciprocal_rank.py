"""Mean reciprocal rank of a query's best positive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldieval.metrics.all_positives_metric import STRATUM, OnRequest
from goldieval.metrics.rank_metric import DIRECTION

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.ranks import Ranks


class MeanReciprocalRank(OnRequest):
    """Mean of 1 / rank of the best positive; ties count as expected under random order."""

    pattern = f"{DIRECTION}_mrr{STRATUM}"
    label_format = "{direction} MRR"

    def per_query(self, ranks: Ranks) -> np.ndarray:
        return ranks.reciprocal()

    def of_random_order(self, ranks: Ranks) -> float | None:
        """Return the same where all candidates tie."""
        from dataclasses import replace

        import numpy as np

        negatives = ranks.gallery - ranks.positives
        random = replace(ranks, above=np.zeros_like(ranks.above), tied=negatives, tied_positives=ranks.positives)
        return float(random.reciprocal().mean())
