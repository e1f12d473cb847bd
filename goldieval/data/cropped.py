"""A box of a stored picture as an image of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from goldieval.data.image_source import EncodedImage, ImageSource, StoredImage

if TYPE_CHECKING:
    from PIL import Image

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class CroppedImage(StoredImage):
    """A box of a picture. What lies outside the picture is left out.

    Attributes:
        picture: The whole picture.
        box: Left, top, width and height in pixels; edges are rounded to the nearest pixel.
    """

    picture: EncodedImage
    box: Box

    def content(self) -> bytes:
        return self.picture.content()

    def key_of(self, content: bytes) -> str:
        edges = ",".join(map(str, self._edges()))
        return hashlib.sha256(f"{self.picture.key_of(content)} {edges}".encode()).hexdigest()

    def decoded(self, content: bytes) -> Image.Image:
        whole = self.picture.decoded(content)
        left, top, right, bottom = self._edges()
        edges = (max(left, 0), max(top, 0), min(right, whole.width), min(bottom, whole.height))
        if edges[0] >= edges[2] or edges[1] >= edges[3]:
            raise OSError(f"box {self.box} does not overlap the picture of {whole.width} x {whole.height} pixels")
        return whole.crop(edges)

    def check(self) -> None:
        """Raise OSError if the header of the whole picture shows that it cannot be decoded."""
        self.picture.check()

    def _edges(self) -> tuple[int, int, int, int]:
        left, top, width, height = self.box
        return round(left), round(top), round(left + width), round(top + height)


def picture_key(source: ImageSource, key: str) -> str:
    """Return the content key of the whole picture behind an image. Raises OSError if it cannot be read.

    Args:
        source: The image.
        key: Its own content key.
    """
    return source.picture.key() if isinstance(source, CroppedImage) else key
