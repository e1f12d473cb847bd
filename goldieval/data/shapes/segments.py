"""Scenes as images with masks: the colour and shape of the object that every pixel belongs to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from goldieval.data.masks import IGNORED
from goldieval.data.samples import Dataset, ImageSample
from goldieval.data.shapes.draw import DRAWING_VERSION, instance_mask
from goldieval.data.shapes.world import CLASSES, SEEN_CLASSES, Obj, Scene

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class SceneMask:
    """A mask that is drawn on demand: an index into ``classes``, without a label on the background and other objects.

    Attributes:
        scene: The scene.
        resolution: Width and height in pixels.
        classes: Colour and shape of each class.
    """

    scene: Scene
    resolution: int
    classes: Pairs = CLASSES

    def key(self) -> str:
        content = f"{self.scene.to_json()}\n{self.resolution}\nmask, drawing {DRAWING_VERSION}"
        if self.classes != CLASSES:
            content += f"\n{self.classes}"
        return hashlib.sha256(content.encode()).hexdigest()

    def place(self) -> None:
        """Return None: the mask is drawn."""

    def read(self) -> np.ndarray:
        numbers = {pair: number for number, pair in enumerate(self.classes)}
        classes = [numbers.get(_pair(obj), IGNORED) for obj in self.scene.objects]
        found: np.ndarray = np.array([IGNORED, *classes], dtype=np.int16)[instance_mask(self.scene, self.resolution)]
        return found


def segmentation(images: list[ImageSample], scenes: list[Scene], resolution: int) -> Dataset:
    """Return scenes with the mask of their objects. The interior of an outlined object belongs to it."""
    masks = [SceneMask(scene, resolution) for scene in scenes]
    return Dataset(images=images, masks=[*masks], class_names=_names(CLASSES))


def dense_probe(images: list[ImageSample], scenes: list[Scene], resolution: int) -> Dataset:
    """Return scenes of train, to fit on, and those of another split, with the mask of the objects that train has.

    Objects of held-out colour and shape have no label, and scenes without any other object are left out.
    """
    rows = [row for row, scene in enumerate(scenes) if any(_pair(obj) in SEEN_CLASSES for obj in scene.objects)]
    return Dataset(
        images=[images[row] for row in rows],
        masks=[SceneMask(scenes[row], resolution, SEEN_CLASSES) for row in rows],
        class_names=_names(SEEN_CLASSES),
        train=np.array([scenes[row].split == "train" for row in rows]),
    )


def _pair(obj: Obj) -> tuple[str, str]:
    return obj.colour, obj.shape


def _names(classes: Pairs) -> list[str]:
    return [f"{colour} {shape}" for colour, shape in classes]
