"""Reader of the built-in world: a typed source in a card, which generates a dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import PIL
from pydantic import Field

from goldieval.data.samples import Dataset, ImageSample
from goldieval.data.shapes import contents
from goldieval.data.shapes.draw import DRAWING_VERSION, SMALLEST_RESOLUTION, draw
from goldieval.data.shapes.regions import regions
from goldieval.data.shapes.segments import dense_probe, segmentation
from goldieval.data.shapes.world import Kind, Scene, Split, sample_scene, split_seeds
from goldieval.data.source import Source

if TYPE_CHECKING:
    from PIL import Image

Content = Literal[
    "zeroshot",
    "retrieval",
    "question",
    "question-answer",
    "finegrained",
    "composition",
    "vqa",
    "probe",
    "segmentation",
    "dense-probe",
    "regions",
]
WITH_TRAIN = ("probe", "dense-probe")


@dataclass(frozen=True)
class SceneImage:
    """An image that is drawn on demand."""

    scene: Scene
    resolution: int

    def key(self) -> str:
        """Return a key of the image without drawing it: scene, resolution, drawing code and Pillow version."""
        parts = (self.scene.to_json(), self.resolution, f"drawing {DRAWING_VERSION}", f"Pillow {PIL.__version__}")
        return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()

    def open(self) -> Image.Image:
        return draw(self.scene, self.resolution)


class ShapesSource(Source):
    """The built-in world as a card's source.

    Attributes:
        content: What the task evaluates.
        split: Split of the scenes.
        scenes: Number of scenes.
        resolution: Width and height of the images in pixels.
        captions_per_scene: Number of captions for ``retrieval``.
        questions_per_scene: Number of questions for ``question``, ``question-answer`` and ``vqa``.
        train_scenes: Number of scenes of the train split on which ``probe`` and ``dense-probe`` are fitted.
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
        """Return an empty list: no files are required."""
        return []

    def read(self, folder: Path) -> Dataset:
        """Return the dataset; ``folder`` is not used.

        Raises:
            TaskError: More scenes are requested than the split has.
        """
        scenes = self._scenes()
        return _CONTENTS[self.content](self, self._images(scenes), scenes)

    def image_samples(self, folder: Path) -> list[ImageSample]:
        """Return only the images, which is faster than computing their annotations."""
        return self._images(self._scenes())

    def _images(self, scenes: Sequence[Scene]) -> list[ImageSample]:
        return [ImageSample(scene.id, SceneImage(scene, self.resolution)) for scene in scenes]

    def _scenes(self) -> list[Scene]:
        kind: Kind = "dominant" if self.content in ("zeroshot", "probe") else "scene"
        scenes = _scenes(self.split, self.scenes, kind)
        return scenes + _scenes("train", self.train_scenes, kind) if self.content in WITH_TRAIN else scenes


def _scenes(split: Split, number: int, kind: Kind) -> list[Scene]:
    return [sample_scene(split, index, kind) for index in range(len(split_seeds(split, number)))]


_CONTENTS: dict[str, Callable[[ShapesSource, list[ImageSample], list[Scene]], Dataset]] = {
    "zeroshot": lambda _, images, scenes: contents.zeroshot(images, scenes),
    "retrieval": lambda source, images, scenes: contents.retrieval(images, scenes, source.captions_per_scene),
    "question": lambda source, images, scenes: contents.question_retrieval(
        images, scenes, source.questions_per_scene, False
    ),
    "question-answer": lambda source, images, scenes: contents.question_retrieval(
        images, scenes, source.questions_per_scene, True
    ),
    "finegrained": lambda _, images, scenes: contents.finegrained(images, scenes),
    "composition": lambda _, images, scenes: contents.composition(images, scenes),
    "probe": lambda _, images, scenes: contents.probe(images, scenes),
    "segmentation": lambda source, images, scenes: segmentation(images, scenes, source.resolution),
    "dense-probe": lambda source, images, scenes: dense_probe(images, scenes, source.resolution),
    "regions": lambda source, images, scenes: regions(images, scenes, source.resolution),
    "vqa": lambda source, images, scenes: contents.vqa(images, scenes, source.questions_per_scene),
}
