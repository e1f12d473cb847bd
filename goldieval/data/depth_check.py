"""The check of all depth maps before any model is run; its results are remembered for files that did not change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.core.meter import tracked
from goldieval.data.depth import DepthSource
from goldieval.data.image_source import EncodedImage
from goldieval.data.places import Place
from goldieval.data.remembered import Remembered
from goldieval.data.samples import ImageSample

KEY_BYTES = 32
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
    faults: list[str] = []

    def compute(pairs: Sequence[tuple[ImageSample, DepthSource]]) -> Iterator[bytes | None]:
        with ThreadPoolExecutor(workers) as pool:
            for fault, result in tracked(pool.map(_checked, pairs), "reading depth maps", len(pairs)):
                faults.extend([fault] if fault else [])
                yield None if fault else result

    remembered = Remembered("depths", KEY_BYTES + COUNTS.itemsize, _rule())
    found = remembered.values(list(zip(images, depths, strict=True)), _places, compute)
    if faults:
        raise TaskError(f"{len(faults):,} of {len(depths):,} depth maps do not fit: {listing(faults)}.")
    results = [result for result in found if result is not None]
    counts = np.concatenate([np.frombuffer(result[KEY_BYTES:], COUNTS) for result in results])
    return DepthSummary(
        keys=[result[:KEY_BYTES].hex() for result in results],
        known=int(counts["known"].sum()),
        unknown=int(counts["unknown"].sum()),
        nearest=float(counts["nearest"].min()),
        farthest=float(counts["farthest"].max()),
    )


def _checked(pair: tuple[ImageSample, DepthSource]) -> tuple[str, bytes]:
    """Return what is wrong with a map, or an empty string, and what is remembered of it."""
    image, source = pair
    try:
        key, depth = source.key(), source.read()
    except OSError as error:
        raise TaskError(f"the depth map of {image.id} cannot be read: {error}") from None
    size = image.source.dimensions() if isinstance(image.source, EncodedImage) else None
    if size is not None and size != depth.shape[::-1]:
        height, width = depth.shape
        return f"{image.id} is {size[0]} x {size[1]} pixels, its depth map {width} x {height}", b""
    known = depth[depth > 0]
    if not known.size:
        return f"the map of {image.id} knows no depth: all of its pixels are unknown", b""
    counts = np.array([(known.size, depth.size - known.size, known.min(), known.max())], COUNTS)
    return "", bytes.fromhex(key) + counts.tobytes()


def _places(pair: tuple[ImageSample, DepthSource]) -> list[Place | str] | None:
    """Return what determines the check of a map: its own content, and the image whose size is compared with it."""
    image, source = pair
    place = source.place()
    places = [place if place is not None else source.key()]
    if not isinstance(image.source, EncodedImage):
        return places
    of_image = image.source.place()
    return [of_image, *places] if of_image is not None else None


def _rule() -> str:
    """Return everything besides the files that determines the check of a map."""
    import PIL

    from goldieval.data.decode import most_pixels

    return f"depths 1, {most_pixels()}, Pillow {PIL.__version__}, NumPy {np.__version__}"
