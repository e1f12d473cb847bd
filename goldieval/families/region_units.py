"""Units of the work on boxes: some pictures with their boxes, the same for any number of processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from goldieval.data.boxes import Boxes
from goldieval.models.inputs import batches


@dataclass(frozen=True)
class Boxed:
    """A picture with some or all of its boxes.

    Attributes:
        image: Index of the picture.
        boxes: Indices of the boxes, shape (boxes,).
    """

    image: int
    boxes: np.ndarray


def by_picture(boxes: Boxes, images: Sequence[int], most: int) -> list[list[Boxed]]:
    """Return units of at most ``most`` pictures with all of their boxes.

    Args:
        boxes: The boxes.
        images: Indices of the readable pictures.
        most: Number of pictures of a unit.
    """
    return list(batches(_boxed(boxes, images), most))


def by_box(boxes: Boxes, images: Sequence[int], most: int) -> list[list[Boxed]]:
    """Return units of at most ``most`` boxes; the boxes of a picture may be in several. Arguments as of the other."""
    units: list[list[Boxed]] = [[]]
    room = most
    for each in _boxed(boxes, images):
        left = each.boxes
        while len(left):
            if not room:
                units.append([])
                room = most
            units[-1].append(Boxed(each.image, left[:room]))
            room, left = room - len(left[:room]), left[room:]
    return [unit for unit in units if unit]


def _boxed(boxes: Boxes, images: Sequence[int]) -> Iterator[Boxed]:
    """Yield the pictures that have boxes."""
    order = np.argsort(boxes.image, kind="stable")
    starts = np.searchsorted(boxes.image[order], np.arange(boxes.image.max() + 2))
    for image in images:
        own = order[starts[image] : starts[image + 1]] if image + 1 < len(starts) else order[:0]
        if len(own):
            yield Boxed(image, own)
