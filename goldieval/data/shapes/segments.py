"""Scenes as pictures with masks: which shape, or nothing, every pixel belongs to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from goldieval.data.samples import Dataset, ImageSample
from goldieval.data.shapes.draw import DRAWING_VERSION, semantic_mask
from goldieval.data.shapes.world import SHAPES, Scene


@dataclass(frozen=True)
class SceneMask:
    """A mask that is drawn when it is asked for: 0 is background, then ``SHAPES``."""

    scene: Scene
    resolution: int

    def key(self) -> str:
        content = f"{self.scene.to_json()}\n{self.resolution}\nmask, drawing {DRAWING_VERSION}"
        return hashlib.sha256(content.encode()).hexdigest()

    def read(self) -> np.ndarray:
        return semantic_mask(self.scene, self.resolution).astype(np.int16)


def segmentation(images: list[ImageSample], scenes: list[Scene], resolution: int) -> Dataset:
    """Return scenes with the mask of their shapes, whatever colour and fill these have."""
    masks = [SceneMask(scene, resolution) for scene in scenes]
    return Dataset(images=images, masks=[*masks], class_names=["background", *SHAPES])
