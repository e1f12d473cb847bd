"""The classwise calibration error, sample by sample: two passes over the probabilities of all classes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from goldieval.core.units import thread_count, units
from goldieval.metrics.confidences import gap_sums, signed_gaps

ENTRIES = 4_000_000  # scores of a tile


def classwise_gaps(
    features: torch.Tensor,
    labels: torch.Tensor,
    classes: int,
    factor: float,
    scores_of: Callable[[torch.Tensor], torch.Tensor] = lambda scores: scores,
) -> np.ndarray:
    """Return, for each sample, the value whose mean is the classwise calibration error.

    That error is the mean over classes of the sum over bins of ``|sum of gaps| / samples`` (Kull et al. 2019, Nixon et
    al. 2019). The value of a sample is the mean over classes of its gaps, with the sign of the sum of their bin.

    Args:
        features: what scores are computed from, one row per sample; by default the scores themselves.
        labels: class indices, (samples,).
        classes: number of classes.
        factor: factor of the scores before the softmax.
        scores_of: function from rows of features to scores, (rows, classes).

    Returns:
        float64, (samples,).
    """
    rows = max(1, ENTRIES // classes)
    parts = list(zip(torch.split(features, rows), torch.split(labels.cpu(), rows), strict=True))

    def probabilities(part: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        with torch.no_grad():
            return torch.softmax(factor * scores_of(part[0]), dim=1).cpu()

    def summed(part: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        return gap_sums(probabilities(part), part[1])

    def signed(part: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        return signed_gaps(probabilities(part), part[1], signs)

    device = str(features.device)
    sums = [each for _, each in units(summed, parts, device, thread_count())]
    signs = torch.stack(sums).sum(0).sign()
    found = [each for _, each in units(signed, parts, device, thread_count())]
    return (torch.cat(found) / classes).numpy()
