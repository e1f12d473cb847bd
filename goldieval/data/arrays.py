"""Images as raw pixels in one file: CIFAR's binary version, STL-10, and MNIST's format."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from goldieval.core.errors import TaskError
from goldieval.core.reading import check_regular
from goldieval.data.image_source import StoredImage
from goldieval.data.places import Place
from goldieval.data.roots import inside
from goldieval.data.samples import AnnotatedImage, Dataset, ImageSample, dataset_of
from goldieval.data.source import Source, read_names

if TYPE_CHECKING:
    from PIL import Image

MOST_IMAGES = 10_000_000
LARGEST_SIDE = 4_096
IDX_BYTES = 0x08  # type of the values in MNIST's format


@dataclass(frozen=True)
class RawImage(StoredImage):
    """An image of 8-bit pixels at a place in a file.

    Attributes:
        file: The file.
        offset: First byte.
        shape: Shape of the array in the file.
        axes: Order in which its axes become (height, width, channels).
    """

    file: Path
    offset: int
    shape: tuple[int, ...]
    axes: tuple[int, ...]

    def content(self) -> bytes:
        count = int(np.prod(self.shape))
        with self.file.open("rb") as stream:
            stream.seek(self.offset)
            data = stream.read(count)
        if len(data) < count:
            raise OSError(f"{self.file} ends in the middle of this image")
        return data

    def key_of(self, content: bytes) -> str:
        pixels = self._pixels(content)
        return hashlib.sha256(f"raw {pixels.shape}".encode() + pixels.tobytes()).hexdigest()

    def decoded(self, content: bytes) -> Image.Image:
        from PIL import Image

        return Image.fromarray(self._pixels(content)).convert("RGB")

    def place(self) -> Place:
        return Place(self.file, f"{self.offset} {self.shape} {self.axes}")

    def _pixels(self, content: bytes) -> np.ndarray:
        """Return the pixels, uint8, (height, width[, channels])."""
        return np.ascontiguousarray(np.frombuffer(content, dtype=np.uint8).reshape(self.shape).transpose(self.axes))


@dataclass(frozen=True)
class Arrays:
    """Content of the files.

    Attributes:
        images: The images.
        labels: Class index of each image.
    """

    images: list[RawImage]
    labels: np.ndarray


class ArraysSource(Source):
    """Raw pixels as a card's source.

    Attributes:
        layout: ``cifar10`` or ``cifar100`` (records of labels and pixels), ``stl10``, or ``idx`` (MNIST's format).
        file: File of the pixels.
        labels: File of the labels, if they are in another one.
        classes: File with class names in label order.
    """

    reader: Literal["arrays"]
    layout: Literal["cifar10", "cifar100", "stl10", "idx"]
    file: str
    labels: str = ""
    classes: str = ""

    def needs(self) -> list[str]:
        return [name for name in (self.file, self.labels, self.classes) if name]

    def read(self, folder: Path) -> Dataset:
        file = inside(folder, self.file)
        beside = inside(folder, self.labels) if self.labels else None
        try:
            for each in (file, beside):
                if each is not None:
                    check_regular(each)
            found = _LAYOUTS[self.layout](file, beside)
        except (OSError, struct.error) as error:
            raise TaskError(f"{file} cannot be read as {self.layout}: {error}.") from None
        names = read_names(inside(folder, self.classes)) if self.classes else None
        if len(found.labels) != len(found.images):
            raise TaskError(
                f"{file} holds {len(found.images):,} images, but {len(found.labels):,} labels belong to them."
            )
        ids = [f"{self.file}#{number:05d}" for number in range(len(found.images))]
        rows = [
            AnnotatedImage(ImageSample(id, image, id), int(label))
            for id, image, label in zip(ids, found.images, found.labels, strict=True)
        ]
        return dataset_of(rows, names)


def _records(file: Path, size: int) -> int:
    """Return the number of records of a size in a file. Raises OSError if the last one is not whole."""
    count, rest = divmod(file.stat().st_size, size)
    if rest or not count:
        raise OSError(f"its size is not a multiple of {size:,} bytes")
    if count > MOST_IMAGES:
        raise OSError(f"it has {count:,} images, more than {MOST_IMAGES:,}")
    return count


def _cifar(labels: int) -> Callable[[Path, Path | None], Arrays]:
    """Return a function that reads records of labels, the last of which is the class, and 3 x 32 x 32 pixels."""

    def read(file: Path, beside: Path | None) -> Arrays:
        size = labels + 3 * 32 * 32
        count = _records(file, size)
        of_each = np.memmap(file, dtype=np.uint8, mode="r", shape=(count, size))[:, labels - 1]
        images = [RawImage(file, number * size + labels, (3, 32, 32), (1, 2, 0)) for number in range(count)]
        return Arrays(images, np.array(of_each, dtype=np.int64))

    return read


def _stl10(file: Path, beside: Path | None) -> Arrays:
    """Read 3 x 96 x 96 pixels in columns, and labels from 1 on."""
    if beside is None:
        raise OSError("its labels are in another file: set source.labels")
    size = 3 * 96 * 96
    images = [RawImage(file, number * size, (3, 96, 96), (2, 1, 0)) for number in range(_records(file, size))]
    return Arrays(images, np.fromfile(beside, dtype=np.uint8).astype(np.int64) - 1)


def _idx(file: Path, beside: Path | None) -> Arrays:
    """Read grey images and labels in MNIST's format."""
    if beside is None:
        raise OSError("its labels are in another file: set source.labels")
    (count, height, width), (labels, *_) = _idx_shape(file, 3), _idx_shape(beside, 1)
    size, start = height * width, 4 + 4 * 3
    if not 0 < height <= LARGEST_SIDE or not 0 < width <= LARGEST_SIDE or count > MOST_IMAGES:
        raise OSError(f"it declares {count:,} images of {width:,} x {height:,} pixels")
    if file.stat().st_size != start + count * size:
        raise OSError(f"it declares {count:,} images of {width} x {height} pixels, but has another size")
    images = [RawImage(file, start + number * size, (height, width), (0, 1)) for number in range(count)]
    return Arrays(images, np.fromfile(beside, dtype=np.uint8, offset=8, count=labels).astype(np.int64))


def _idx_shape(file: Path, axes: int) -> tuple[int, ...]:
    with file.open("rb") as stream:
        zero, kind, declared = struct.unpack(">HBB", stream.read(4))
        if (zero, kind, declared) != (0, IDX_BYTES, axes):
            raise OSError(f"{file.name} is not an array of bytes with {axes} axes in MNIST's format")
        return struct.unpack(f">{axes}I", stream.read(4 * axes))


_LAYOUTS: dict[str, Callable[[Path, Path | None], Arrays]] = {
    "cifar10": _cifar(1),
    "cifar100": _cifar(2),
    "stl10": _stl10,
    "idx": _idx,
}
