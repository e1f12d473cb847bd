"""The inputs of the probes: a few drawn pictures of unusual shapes, and texts of unusual lengths."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from PIL import Image

from goldieval.data.shapes import draw, sample_scene
from goldieval.models.adapter import Adapter, Instructed, ModelInfo

# Width and height in pixels: square, tall, wide, tiny, odd, a strip.
SIZES = ((128, 128), (96, 160), (200, 120), (48, 48), (333, 217), (64, 192), (256, 256), (140, 139))

TEXTS = (
    "a dog",
    "a photo of a cat.",
    "two small red circles above a large green square",
    "Ein Bär trinkt süßen Kaffee, naïve façade, 犬と猫, 🙂",
    "a black and white photograph of an old wooden bridge over a narrow river, with a person in a yellow raincoat "
    "walking towards the camera and three ducks on the water below",
)
TOO_LONG = "a picture of " + ", ".join(f"{number} red circles" for number in range(1, 200))


@dataclass
class Subject:
    """A model that is probed.

    Attributes:
        model: the adapter.
        info: its description before it was used.
        weights: the torch modules that the adapter holds.
    """

    model: Adapter | Instructed
    info: ModelInfo
    weights: list[torch.nn.Module] = field(init=False)

    def __post_init__(self) -> None:
        held = [self.model, *getattr(self.model, "__dict__", {}).values()]
        self.weights = [value for value in held if isinstance(value, torch.nn.Module)]

    @property
    def parts(self) -> list[tuple[str, torch.nn.Module]]:
        """All modules with their names; the name of the outermost module is empty."""
        return [part for module in self.weights for part in module.named_modules()]


@dataclass
class EncodingSubject(Subject):
    """A model with embeddings. What several probes need is computed once, inside the model's ``inference()``."""

    model: Adapter

    @cached_property
    def pixels(self) -> torch.Tensor:
        """Inputs of the image tower, shape (pictures, channels, height, width)."""
        return torch.stack([self.model.preprocess(picture) for picture in pictures()])

    @cached_property
    def tokens(self) -> torch.Tensor:
        """Inputs of the text tower, padded, shape (texts, context)."""
        return self.model.tokenize(list(TEXTS))

    @cached_property
    def image_features(self) -> torch.Tensor:
        return self.model.encode_image(self.pixels)

    @cached_property
    def text_features(self) -> torch.Tensor:
        return self.model.encode_text(self.tokens)

    @property
    def towers(self) -> dict[str, tuple[Any, torch.Tensor, torch.Tensor]]:
        """Encoder, inputs and features, by the name of the tower."""
        return {
            "image": (self.model.encode_image, self.pixels, self.image_features),
            "text": (self.model.encode_text, self.tokens, self.text_features),
        }


def pictures() -> list[Image.Image]:
    """Return drawn scenes, the same on every machine, stretched to ``SIZES``."""
    scenes = [sample_scene("validation", index) for index in range(len(SIZES))]
    return [draw(scene, 128).resize(size) for scene, size in zip(scenes, SIZES, strict=True)]


def uniform_picture(colour: tuple[int, int, int], size: tuple[int, int] = (64, 64)) -> Image.Image:
    """Return a picture of one colour."""
    return Image.new("RGB", size, colour)
