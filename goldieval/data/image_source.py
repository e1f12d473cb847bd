"""Sources of images: files, images stored elsewhere as encoded bytes, and ids without an image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from goldieval.core.limits import PICTURE_BYTES
from goldieval.core.reading import read_bytes

if TYPE_CHECKING:
    from PIL import Image


class ImageSource(Protocol):
    """Source of one image: small in memory, read on demand, thread-safe."""

    def key(self) -> str:
        """Return a key of the content, independent of its location. Raises OSError if it cannot be read."""

    def open(self) -> Image.Image:
        """Return the decoded RGB image. Raises OSError if it cannot be read or decoded."""


class EncodedImage:
    """Base class for images stored as encoded files, whatever their location. Subclasses implement ``read``."""

    def read(self) -> bytes:
        raise NotImplementedError

    def key(self) -> str:
        from goldieval.data.decode import key_of

        return key_of(self.read())

    def dimensions(self) -> tuple[int, int] | None:
        """Return width and height from the file's header, or None if it is not an image."""
        from goldieval.data.decode import size_of

        try:
            return size_of(self.read())
        except OSError:  # reported when the image is opened
            return None

    def check(self) -> None:
        """Raise OSError if the file's header shows that the image cannot be decoded."""
        from goldieval.data.decode import check_image

        check_image(self.read())

    def open(self) -> Image.Image:
        from goldieval.data.decode import decode

        return decode(self.read())


@dataclass(frozen=True)
class FileImage(EncodedImage):
    """An image in a file of its own."""

    file: Path

    def read(self) -> bytes:
        try:
            return read_bytes(self.file, PICTURE_BYTES)
        except ValueError as error:  # a zero byte or a lone surrogate
            raise OSError(f"not a valid file name: {error}") from error


@dataclass(frozen=True)
class NoImage:
    """A sample that has only an id; its embedding was computed elsewhere."""

    def key(self) -> str:
        return ""

    def open(self) -> Image.Image:
        raise OSError("this task has ids but no images: run it with --model embeddings:FOLDER")
