"""A corrupted picture as an image of its own, made when it is opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from goldieval.data.corruptions.corruption import Corruption
from goldieval.data.image_source import ChangedError, ImageSource, StoredImage

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class CorruptedImage:
    """A picture with a corruption; only the description of both is in memory.

    Attributes:
        original: the picture.
        corruption: what is done to it.
        written_class: index of the class whose name is written on it; -1 for none.
    """

    original: ImageSource
    corruption: Corruption
    written_class: int = -1

    def key(self) -> str:
        return self.corruption.key(self.original.key())

    def open(self) -> Image.Image:
        key, picture = self._read()
        return self.corruption.apply(picture, key)

    def open_planned(self, key: str) -> Image.Image:
        """Return the image if its key is still ``key``. Raises ChangedError or OSError."""
        original, picture = self._read()
        if self.corruption.key(original) != key:
            raise ChangedError("its file was changed during the run: run the same command again")
        return self.corruption.apply(picture, original)

    def _read(self) -> tuple[str, Image.Image]:
        """Return content key and decoded image of the original; a file is read once for both."""
        if isinstance(self.original, StoredImage):
            content = self.original.content()
            return self.original.key_of(content), self.original.decoded(content)
        return self.original.key(), self.original.open()


def whole(source: ImageSource) -> ImageSource:
    """Return the picture behind a corrupted one, else the source itself."""
    return source.original if isinstance(source, CorruptedImage) else source
