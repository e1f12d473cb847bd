"""The reading of all maps of pixels before any model is run; results for files that did not change are remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.core.meter import tracked
from goldieval.data.image_source import EncodedImage
from goldieval.data.places import Place
from goldieval.data.remembered import Remembered
from goldieval.data.samples import ImageSample

KEY_BYTES = 32


class MapSource(Protocol):
    """The map of one picture, such as ``masks.MaskSource`` or ``depth.DepthSource``."""

    def key(self) -> str:
        """Return a SHA-256 of everything that determines the map."""

    def place(self) -> Place | None:
        """Return the file that holds it; None if it is computed."""

    def read(self) -> np.ndarray:
        """Return it, shape (height, width)."""


@dataclass(frozen=True)
class MapCheck:
    """How maps of one kind are checked.

    Attributes:
        name: What one is called, such as ``mask``.
        rule: Name and version of the check.
        store: Name of the file of what is remembered.
        dtype: Type of the counts of a map, which are remembered.
        fault: Returns what is wrong with the map of an image, or an empty string.
        counts: Returns the counts of a map without fault, bytes of ``dtype``.
    """

    name: str
    rule: str
    store: str
    dtype: np.dtype
    fault: Callable[[ImageSample, np.ndarray], str]
    counts: Callable[[np.ndarray], bytes]


def read_maps(
    images: Sequence[ImageSample], maps: Sequence[MapSource], check: MapCheck, workers: int
) -> tuple[list[str], np.ndarray]:
    """Read every map once; inside ``reading_once``, only those of which nothing is remembered.

    Args:
        images: The images.
        maps: Map of each image.
        check: How maps are checked.
        workers: Number of threads that read.

    Returns:
        Content key of each map, and the counts of each, shape (maps,), of the type of the check.

    Raises:
        TaskError: Maps cannot be read, have a fault, or differ in size from their image.
    """
    faults: list[str] = []

    def checked(pair: tuple[ImageSample, MapSource]) -> tuple[str, bytes]:
        image, source = pair
        try:
            key, values = source.key(), source.read()
        except OSError as error:
            raise TaskError(f"the {check.name} of {image.id} cannot be read: {error}") from None
        fault = check.fault(image, values) or _size_fault(image, values, check.name)
        return fault, b"" if fault else bytes.fromhex(key) + check.counts(values)

    def compute(pairs: Sequence[tuple[ImageSample, MapSource]]) -> Iterator[bytes | None]:
        with ThreadPoolExecutor(workers) as pool:
            for fault, result in tracked(pool.map(checked, pairs), f"reading {check.name}s", len(pairs)):
                faults.extend([fault] if fault else [])
                yield None if fault else result

    remembered = Remembered(check.store, KEY_BYTES + check.dtype.itemsize, _identity(check.rule))
    found = remembered.values(list(zip(images, maps, strict=True)), _places, compute)
    if faults:
        raise TaskError(f"{len(faults):,} of {len(maps):,} {check.name}s do not fit: {listing(faults)}.")
    results = [result for result in found if result is not None]
    counts = np.frombuffer(b"".join(result[KEY_BYTES:] for result in results), check.dtype)
    return [result[:KEY_BYTES].hex() for result in results], counts


def _size_fault(image: ImageSample, values: np.ndarray, name: str) -> str:
    size = image.source.dimensions() if isinstance(image.source, EncodedImage) else None
    if size is None or size == values.shape[::-1]:
        return ""
    return f"{image.id} is {size[0]} x {size[1]} pixels, its {name} {values.shape[1]} x {values.shape[0]}"


def _places(pair: tuple[ImageSample, MapSource]) -> list[Place | str] | None:
    """Return what determines the check of a map: its own content, and the image whose size is compared with it."""
    image, source = pair
    place = source.place()
    places = [place if place is not None else source.key()]
    if not isinstance(image.source, EncodedImage):
        return places
    of_image = image.source.place()
    return [of_image, *places] if of_image is not None else None


def _identity(rule: str) -> str:
    """Return everything besides the files that determines the check of a map."""
    import PIL

    from goldieval.data.decode import most_pixels

    return f"{rule}, {most_pixels()}, Pillow {PIL.__version__}, NumPy {np.__version__}"
