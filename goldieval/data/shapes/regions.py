"""Scenes as images with the box of every object: no other object reaches into it, so its class is certain."""

from __future__ import annotations

from collections.abc import Sequence

from goldieval.data.box_rows import BoxRow, BoxRows
from goldieval.data.samples import Dataset, ImageSample
from goldieval.data.shapes.draw import boxes
from goldieval.data.shapes.world import CLASSES, HELD_OUT, SIZES, Obj, Scene


def regions(images: Sequence[ImageSample], scenes: Sequence[Scene], resolution: int) -> Dataset:
    """Return the boxes of all objects with their colour and shape as class.

    Strata: the size of the object, and whether its colour and shape occur together in the train split.
    """
    found = BoxRows()
    for image, scene in zip(images, scenes, strict=True):
        for number, (obj, box) in enumerate(zip(scene.objects, boxes(scene, resolution).tolist(), strict=True)):
            label = CLASSES.index((obj.colour, obj.shape))
            row = BoxRow(image, (resolution,) * 2, f"{image.id}:{number}", tuple(box), label, groups=_groups(obj))
            found.add(image.id, row)
    names = [f"{colour} {shape}" for colour, shape in CLASSES]
    return found.dataset(names, [*SIZES, "seen", "heldout"], by_size=False)


def _groups(obj: Obj) -> tuple[str, str]:
    return obj.size, "heldout" if (obj.colour, obj.shape) in HELD_OUT else "seen"
