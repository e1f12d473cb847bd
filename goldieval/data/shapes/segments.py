"""Scenes as images with masks: the colour and shape of the object that every pixel belongs to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from goldieval.data.masks import IGNORED
from goldieval.data.samples import Dataset, ImageSample
from goldieval.data.shapes.draw import DRAWING_VERSION, instance_mask
from goldieval.data.shapes.world import CLASSES, Scene


@dataclass(frozen=True)
class SceneMask:
    """A mask that is drawn on demand: an index into ``CLASSES``, without a label on the background."""

    scene: Scene
    resolution: int

    def key(self) -> str:
        content = f"{self.scene.to_json()}\n{self.resolution}\nmask, drawing {DRAWING_VERSION}"
        return hashlib.sha256(content.encode()).hexdigest()

    def place(self) -> None:
        """Return None: the mask is drawn."""

    def read(self) -> np.ndarray:
        classes = [CLASSES.index((obj.colour, obj.shape)) for obj in self.scene.objects]
        found: np.ndarray = np.array([IGNORED, *classes], dtype=np.int16)[instance_mask(self.scene, self.resolution)]
        return found


def segmentation(images: list[ImageSample], scenes: list[Scene], resolution: int) -> Dataset:
    """Return scenes with the mask of their objects. The interior of an outlined object belongs to it."""
    masks = [SceneMask(scene, resolution) for scene in scenes]
    return Dataset(images=images, masks=[*masks], class_names=[f"{colour} {shape}" for colour, shape in CLASSES])
