"""One corruption with its parameters, and its application to a picture."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import PIL

from goldieval.data.corruptions.names import TYPOGRAPHIC

if TYPE_CHECKING:
    from PIL import Image

VERSION = 1  # of the code in this folder; raised when a picture changes
LONGEST = 8  # times the short side; a picture that is longer is resized to it


@dataclass(frozen=True)
class Corruption:
    """What is done to a picture.

    Attributes:
        kind: one of ``names.Kind``.
        severity: 1 to 5.
        seed: seed of its random numbers.
        side: short side in pixels to which a picture is resized before.
        word: what is written on it, for the kind ``typographic``.
    """

    kind: str
    severity: int
    seed: int = 0
    side: int = 224
    word: str = ""

    def key(self, original: str) -> str:
        """Return the content key of the corrupted picture, given that of the original. An empty key stays empty."""
        if not original:
            return ""
        how = (self.kind, str(self.severity), str(self.seed), self.word, str(self.side))
        parts = (f"corruption {VERSION}", f"Pillow {PIL.__version__}", *how, original)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def apply(self, image: Image.Image, original: str) -> Image.Image:
        """Return the corrupted image, resized to ``side``.

        Args:
            image: RGB.
            original: its content key, from which all random numbers follow, whatever its name and place.
        """
        from goldieval.data.corruptions.digital import to_array, to_image
        from goldieval.data.corruptions.functions import FUNCTIONS
        from goldieval.data.corruptions.words import written

        image, random = resized(image, self.side), self._random(original)
        if self.kind == TYPOGRAPHIC:
            return written(image, self.word, self.severity, random)
        return to_image(FUNCTIONS[self.kind](to_array(image), self.severity, random))

    def _random(self, original: str) -> np.random.RandomState:
        """Return random numbers, the same for all severities, so that these differ in nothing else.

        The streams of ``RandomState`` are frozen; those of numpy's newer generators may change.
        """
        content = hashlib.sha256(f"{self.kind}\n{self.seed}\n{original}".encode()).digest()
        return np.random.RandomState(np.frombuffer(content, dtype="<u4").astype(np.uint32))


def resized(image: Image.Image, side: int) -> Image.Image:
    """Return an image whose short side has a number of pixels, by bicubic interpolation."""
    from PIL import Image

    scale = side / min(image.size)
    width, height = (max(1, min(round(length * scale), LONGEST * side)) for length in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)
