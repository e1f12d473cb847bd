"""Shapes as the other readers' equal: a typed source in a card, and a dataset out of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import PIL
from pydantic import Field

from goldieval.data.samples import Dataset, ImageSample, TextSample
from goldieval.data.shapes.draw import DRAWING_VERSION, SMALLEST_RESOLUTION, draw
from goldieval.data.shapes.language import short_captions
from goldieval.data.shapes.relevance import relevant
from goldieval.data.shapes.world import CLASSES, Kind, Scene, Split, sample_scene, split_seeds
from goldieval.data.source import Source

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class SceneImage:
    """A picture that is drawn when it is asked for."""

    scene: Scene
    resolution: int

    def key(self) -> str:
        """Return an identity of the picture without drawing it: scene, resolution, drawing code and Pillow."""
        parts = (self.scene.to_json(), self.resolution, f"drawing {DRAWING_VERSION}", f"Pillow {PIL.__version__}")
        return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()

    def open(self) -> Image.Image:
        return draw(self.scene, self.resolution)


class ShapesSource(Source):
    """The ``source`` of a card on the built-in world. ``resolution`` is the pictures' width and height in pixels."""

    reader: Literal["shapes"]
    content: Literal["zeroshot", "retrieval"]
    split: Split = "test"
    scenes: int = Field(ge=1)
    resolution: int = Field(default=128, ge=SMALLEST_RESOLUTION)
    captions_per_scene: int = Field(default=2, ge=1)

    @property
    def on_disk(self) -> bool:
        return False

    def needs(self) -> list[str]:
        """Return the files that must exist below the folder: none, everything is drawn."""
        return []

    def read(self, folder: Path) -> Dataset:
        """Return the dataset; ``folder`` is there because every reader has it.

        Raises:
            TaskError: more scenes than the split has.
        """
        return self._zeroshot() if self.content == "zeroshot" else self._retrieval()

    def _zeroshot(self) -> Dataset:
        scenes = self._sample("dominant")
        return Dataset(
            images=self._images(scenes),
            labels=np.array([scene.label for scene in scenes], dtype=np.int64),
            class_names=[f"{colour} {shape}" for colour, shape in CLASSES],
        )

    def _retrieval(self) -> Dataset:
        """Every scene that satisfies a caption is a positive of it, not only the scene it was written for."""
        scenes = self._sample("scene")
        captions = [short_captions(scene, self.captions_per_scene) for scene in scenes]
        texts = [
            TextSample(f"{scene.id}#{number}", text)
            for scene, own in zip(scenes, captions, strict=True)
            for number, (text, _) in enumerate(own)
        ]
        return Dataset(
            images=self._images(scenes),
            texts=texts,
            positives=relevant([query for own in captions for _, query in own], scenes),
            owner=np.repeat(np.arange(len(scenes)), self.captions_per_scene),
        )

    def _sample(self, kind: Kind) -> list[Scene]:
        return [sample_scene(self.split, index, kind) for index in range(len(split_seeds(self.split, self.scenes)))]

    def _images(self, scenes: list[Scene]) -> list[ImageSample]:
        return [ImageSample(scene.id, SceneImage(scene, self.resolution)) for scene in scenes]
