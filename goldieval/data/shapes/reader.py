"""Shapes as the other readers' equal: a typed source in a card, and a dataset out of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import PIL
from pydantic import Field

from goldieval.data.samples import Dataset, ImageSample
from goldieval.data.shapes import contents
from goldieval.data.shapes.draw import DRAWING_VERSION, SMALLEST_RESOLUTION, draw
from goldieval.data.shapes.segments import segmentation
from goldieval.data.shapes.world import Kind, Scene, Split, sample_scene, split_seeds
from goldieval.data.source import Source

if TYPE_CHECKING:
    from PIL import Image

Content = Literal[
    "zeroshot", "retrieval", "question", "question-answer", "finegrained", "composition", "vqa", "probe", "segmentation"
]


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
    """The ``source`` of a card on the built-in world. ``resolution`` is the pictures' width and height in pixels.

    train_scenes: scenes of the train split, for ``probe`` to learn from.
    """

    reader: Literal["shapes"]
    content: Content
    split: Split = "test"
    scenes: int = Field(ge=1)
    resolution: int = Field(default=128, ge=SMALLEST_RESOLUTION)
    captions_per_scene: int = Field(default=2, ge=1)
    questions_per_scene: int = Field(default=4, ge=1)
    train_scenes: int = Field(default=2000, ge=1)

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
        return _CONTENTS[self.content](self, self.image_samples(folder), self._scenes())

    def image_samples(self, folder: Path) -> list[ImageSample]:
        """Return the pictures alone: what is true of them takes longer to find out."""
        return [ImageSample(scene.id, SceneImage(scene, self.resolution)) for scene in self._scenes()]

    def _scenes(self) -> list[Scene]:
        kind: Kind = "dominant" if self.content in ("zeroshot", "probe") else "scene"
        scenes = _scenes(self.split, self.scenes, kind)
        return scenes + _scenes("train", self.train_scenes, kind) if self.content == "probe" else scenes


def _scenes(split: Split, number: int, kind: Kind) -> list[Scene]:
    return [sample_scene(split, index, kind) for index in range(len(split_seeds(split, number)))]


_CONTENTS: dict[str, Callable[[ShapesSource, list[ImageSample], list[Scene]], Dataset]] = {
    "zeroshot": lambda _, images, scenes: contents.zeroshot(images, scenes),
    "retrieval": lambda source, images, scenes: contents.retrieval(images, scenes, source.captions_per_scene),
    "question": lambda source, images, scenes: contents.asked(images, scenes, source.questions_per_scene, False),
    "question-answer": lambda source, images, scenes: contents.asked(images, scenes, source.questions_per_scene, True),
    "finegrained": lambda _, images, scenes: contents.finegrained(images, scenes),
    "composition": lambda _, images, scenes: contents.composition(images, scenes),
    "probe": lambda _, images, scenes: contents.probe(images, scenes),
    "segmentation": lambda source, images, scenes: segmentation(images, scenes, source.resolution),
    "vqa": lambda source, images, scenes: contents.vqa(images, scenes, source.questions_per_scene),
}
