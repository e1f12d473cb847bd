"""Sources of images: files, images stored elsewhere as encoded bytes, and ids without an image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from goldieval.core.limits import PICTURE_BYTES
from goldieval.core.reading import read_bytes
from goldieval.data.kept_bytes import KEPT
from goldieval.data.places import Place

if TYPE_CHECKING:
    from PIL import Image


class ImageSource(Protocol):
    """Source of one image: small in memory, read on demand, thread-safe."""

    def key(self) -> str:
        """Return a key of the content, independent of its location. Raises OSError if it cannot be read."""

    def open(self) -> Image.Image:
        """Return the decoded RGB image. Raises OSError if it cannot be read or decoded."""


@runtime_checkable
class Planned(Protocol):
    """A source that compares its content with the one that was planned, whenever it is opened."""

    def open_planned(self, key: str) -> Image.Image:
        """Return the decoded image if its key is still ``key``. Raises ChangedError or OSError."""


class ChangedError(OSError):
    """The content is no longer the one whose key was planned."""


def open_planned(source: ImageSource, key: str) -> Image.Image:
    """Return the decoded RGB image of a source, if it still has the content that the key was made of.

    Raises:
        ChangedError: The content is another one.
        OSError: It cannot be read or decoded.
    """
    if isinstance(source, Planned):
        return source.open_planned(key)
    return source.open()


class StoredImage(ABC):
    """Base class for images that are stored as bytes, whatever their location and format."""

    @abstractmethod
    def content(self) -> bytes:
        """Return the stored bytes. Raises OSError if they cannot be read."""

    @abstractmethod
    def key_of(self, content: bytes) -> str:
        """Return the key of stored bytes. Raises OSError if they have none."""

    @abstractmethod
    def decoded(self, content: bytes) -> Image.Image:
        """Decode stored bytes to RGB. Raises OSError if that is impossible."""

    def place(self) -> Place | None:
        """Return where the bytes are stored, if that is a file."""
        return None

    def key(self) -> str:
        return self.key_of(self.content())

    def open(self) -> Image.Image:
        return self.decoded(self.content())

    def open_planned(self, key: str) -> Image.Image:
        """Return the decoded image if its key is still ``key``. Raises ChangedError or OSError."""
        content = KEPT.taken(key)
        if content is None:
            content = self.content()
            if self.key_of(content) != key:
                raise ChangedError("its file was changed during the run: run the same command again")
        return self.decoded(content)


class EncodedImage(StoredImage):
    """Base class for images stored as encoded files, whatever their location. Subclasses implement ``read``."""

    def read(self) -> bytes:
        raise NotImplementedError

    def content(self) -> bytes:
        return self.read()

    def key_of(self, content: bytes) -> str:
        from goldieval.data.decode import key_of

        return key_of(content)

    def decoded(self, content: bytes) -> Image.Image:
        from goldieval.data.decode import decode

        return decode(content)

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


@dataclass(frozen=True)
class FileImage(EncodedImage):
    """An image in a file of its own."""

    file: Path

    def read(self) -> bytes:
        try:
            return read_bytes(self.file, PICTURE_BYTES)
        except ValueError as error:  # a zero byte or a lone surrogate
            raise OSError(f"not a valid file name: {error}") from error

    def place(self) -> Place:
        return Place(self.file)


@dataclass(frozen=True)
class EncodedBytes(EncodedImage):
    """An image in memory.

    Attributes:
        file_content: Content of an image file.
    """

    file_content: bytes

    def read(self) -> bytes:
        return self.file_content


@dataclass(frozen=True)
class NoImage:
    """A sample that has only an id; its embedding was computed elsewhere."""

    def key(self) -> str:
        return ""

    def open(self) -> Image.Image:
        raise OSError("this task has ids but no images: run it with --model embeddings:FOLDER")
