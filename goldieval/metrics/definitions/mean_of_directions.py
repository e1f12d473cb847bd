"""Mean of recall at 1 from text to image and from image to text, as DataComp's evaluation prints it."""

from __future__ import annotations

from goldieval.metrics.metric import Metric


class MeanOfDirections(Metric):
    """Mean of both directions; only other harnesses report it as one number."""

    pattern = "mean_r1"
    label_format = "mean of T2I and I2T R@1"

    @property
    def is_proportion(self) -> bool:
        return True  # of images; a mean of two proportions of the same images varies at most as much as one of them
