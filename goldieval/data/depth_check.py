"""The check of all depth maps before any model is run; its results are remembered for files that did not change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from goldieval.data.depth import DepthSource
from goldieval.data.map_reading import MapCheck, read_maps
from goldieval.data.samples import ImageSample

COUNTS = np.dtype([("known", "<i8"), ("unknown", "<i8"), ("nearest", "<f8"), ("farthest", "<f8")])


@dataclass(frozen=True)
class DepthSummary:
    """Summary of all depth maps.

    Attributes:
        keys: Content key of each map.
        known: Number of pixels with a known depth.
        unknown: Number of the others.
        nearest: Smallest known depth, in metres.
        farthest: Largest known depth.
    """

    keys: list[str]
    known: int
    unknown: int
    nearest: float
    farthest: float

    @property
    def summary(self) -> str:
        """A line about range and gaps, by which a person sees that the scale is right."""
        share = 100 * self.unknown / (self.known + self.unknown)
        return f"depths from {self.nearest:.3g} to {self.farthest:.3g} m, unknown in {share:.1f} % of the pixels"


def check_depths(images: Sequence[ImageSample], depths: Sequence[DepthSource], workers: int) -> DepthSummary:
    """Read every depth map once, before any model is run.

    Inside ``reading_once``, the results of maps and images that did not change are remembered.

    Raises:
        TaskError: Maps cannot be read, differ in size from their image, or know no depth at all.
    """
    keys, counts = read_maps(images, depths, CHECK, workers)
    return DepthSummary(
        keys=keys,
        known=int(counts["known"].sum()),
        unknown=int(counts["unknown"].sum()),
        nearest=float(counts["nearest"].min()),
        farthest=float(counts["farthest"].max()),
    )


def _fault(image: ImageSample, depth: np.ndarray) -> str:
    return "" if (depth > 0).any() else f"the map of {image.id} knows no depth: all of its pixels are unknown"


def _counts(depth: np.ndarray) -> bytes:
    known = depth[depth > 0]
    return np.array([(known.size, depth.size - known.size, known.min(), known.max())], COUNTS).tobytes()


CHECK = MapCheck(name="depth map", rule="depths 1", store="depths", dtype=COUNTS, fault=_fault, counts=_counts)
