"""The check of all masks before any model is run; its results are remembered for files that did not change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.core.meter import tracked
from goldieval.data.image_source import EncodedImage
from goldieval.data.masks import IGNORED, FileMask, MaskSource, read_values
from goldieval.data.places import Place
from goldieval.data.remembered import Remembered
from goldieval.data.samples import ImageSample

MASK_KEY_BYTES = 32


@dataclass(frozen=True)
class MaskSummary:
    """Summary of all masks.

    Attributes:
        keys: Content key of each mask.
        pixels: Number of labelled pixels of each class, shape (classes,).
        ignored: Number of pixels without a label.
    """

    keys: list[str]
    pixels: np.ndarray
    ignored: int


def check_masks(images: Sequence[ImageSample], masks: Sequence[MaskSource], classes: int, workers: int) -> MaskSummary:
    """Read every mask once, before any model is run.

    Inside ``reading_once``, the results of masks and images that did not change are remembered.

    Raises:
        TaskError: Masks cannot be read, have labels outside the classes, or differ in size from their image; or all
            labelled pixels belong to one class, so that a constant prediction would be correct.
    """
    faults: list[str] = []

    def check(pair: tuple[ImageSample, MaskSource]) -> tuple[str, bytes]:
        image, mask = pair
        try:
            key, read = mask.key(), mask.read()
        except OSError as error:
            raise TaskError(f"the mask of {image.id} cannot be read: {error}") from None
        fault = _fault(image, read, classes)
        counts = np.bincount((read[read < classes] + 1).ravel(), minlength=classes + 1)
        return fault, bytes.fromhex(key) + counts.astype("<i8").tobytes()

    def compute(pairs: Sequence[tuple[ImageSample, MaskSource]]) -> Iterator[bytes | None]:
        with ThreadPoolExecutor(workers) as pool:
            for fault, result in tracked(pool.map(check, pairs), "reading masks", len(pairs)):
                faults.extend([fault] if fault else [])
                yield None if fault else result

    remembered = Remembered(f"masks-{classes}", MASK_KEY_BYTES + 8 * (classes + 1), _rule())
    found = remembered.values(list(zip(images, masks, strict=True)), _places, compute)
    if faults:
        raise TaskError(f"{len(faults):,} of {len(masks):,} masks do not fit: {listing(faults)}.")
    results = [result for result in found if result is not None]
    counts = np.sum([np.frombuffer(result[MASK_KEY_BYTES:], dtype="<i8") for result in results], axis=0)
    summary = MaskSummary([result[:MASK_KEY_BYTES].hex() for result in results], counts[1:], int(counts[0]))
    _refuse_one_class(summary, masks)
    return summary


def _places(pair: tuple[ImageSample, MaskSource]) -> list[Place | str] | None:
    """Return what determines the check of a mask: its own content, and the image whose size is compared with it."""
    image, mask = pair
    place = mask.place()
    places = [place if place is not None else mask.key()]
    if not isinstance(image.source, EncodedImage):
        return places
    of_image = image.source.place()
    return [of_image, *places] if of_image is not None else None


def _rule() -> str:
    """Return everything besides the files that determines the check of a mask."""
    import PIL

    from goldieval.data.decode import most_pixels

    return f"masks 1, {most_pixels()}, Pillow {PIL.__version__}, NumPy {np.__version__}"


def without_pixels(pixels: np.ndarray, names: Sequence[str]) -> list[str]:
    """Return a line about the classes without any pixel, or nothing if there are none."""
    absent = [name for name, count in zip(names, pixels, strict=True) if not count]
    return [f"{len(absent):,} of {len(names):,} classes have no pixel in any mask: {listing(absent)}"] if absent else []


def _refuse_one_class(found: MaskSummary, masks: Sequence[MaskSource]) -> None:
    """Raise TaskError if a constant prediction would be correct everywhere, so that chance level is 100 %."""
    (present,) = np.nonzero(found.pixels)
    if len(present) > 1:
        return
    if not len(present):
        raise TaskError(f"no pixel has a label: all are ignored{_hint(masks)}.")
    raise TaskError(
        f"every labelled pixel is of class {present[0]}, so chance is 100 % and the task measures nothing"
        f"{f' ({found.ignored:,} pixels are ignored)' if found.ignored else ''}{_hint(masks)}."
    )


def _hint(masks: Sequence[MaskSource]) -> str:
    """Describe the values in the first mask files: 0 and 255 are often intended as two classes."""
    files = [mask for mask in masks if isinstance(mask, FileMask)][:8]
    if not files:
        return ""
    seen = sorted({int(value) for mask in files for value in np.unique(read_values(mask.file))})
    ignored = [str(value) for value in seen if files[0].labels.table[value] == IGNORED]
    words = f"; the masks hold the values {listing(map(str, seen), 8)}"
    if ignored:
        words += (
            f", of which source.ignore excludes {listing(ignored)}. If those are classes, list all in source.values"
        )
    return f"{words}, as `values: {seen[:8]}`" if ignored and len(seen) <= 8 else words


def _fault(image: ImageSample, mask: np.ndarray, classes: int) -> str:
    outside = np.unique(mask[mask >= classes]).tolist()
    if outside:
        return f"{image.id} has labels {listing(map(str, outside))} outside the classes 0..{classes - 1}"
    size = image.source.dimensions() if isinstance(image.source, EncodedImage) else None
    if size is not None and size != mask.shape[::-1]:
        return f"{image.id} is {size[0]} x {size[1]} pixels, its mask {mask.shape[1]} x {mask.shape[0]}"
    return ""
