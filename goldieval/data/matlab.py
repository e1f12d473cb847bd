"""Annotations in MATLAB files: Oxford Flowers 102 and Stanford Cars as their authors publish them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from goldieval.core.errors import TaskError, first_line
from goldieval.core.limits import MATLAB_BYTES, MATLAB_UNPACKED
from goldieval.core.reading import read_bytes
from goldieval.data.file_names import picture_file
from goldieval.data.image_source import FileImage
from goldieval.data.roots import inside
from goldieval.data.samples import AnnotatedImage, Dataset, ImageSample, dataset_of
from goldieval.data.source import Source

HEADER, TAG = 128, 8  # bytes
COMPRESSED = 15  # type of a data element


class MatlabSource(Source):
    """Annotations in MATLAB files as a card's source. Classes count from 1.

    Attributes:
        file: File with the labels.
        variable: Its variable: a vector with a label for each image, or structures with a name and a label.
        images: Folder of the images.
        image: Field of the structures with the file name; empty for a vector.
        label: Field of the structures with the label.
        picture: File name pattern for a vector, with ``{}`` for the five digits of the number, which counts from 1.
        subset: File with the numbers of the images to use.
        subset_variable: Its variable.
        classes: File with the class names.
        classes_variable: Its variable.
    """

    reader: Literal["matlab"]
    file: str
    variable: str
    images: str
    image: str = ""
    label: str = "class"
    picture: str = "image_{}.jpg"
    subset: str = ""
    subset_variable: str = ""
    classes: str = ""
    classes_variable: str = "class_names"

    def needs(self) -> list[str]:
        return [name for name in (self.file, self.images, self.subset, self.classes) if name]

    def read(self, folder: Path) -> Dataset:
        file, top = inside(folder, self.file), inside(folder, self.images)
        values = read_variable(file, self.variable)
        found = list(self._structures(file, values) if self.image else self._numbered(folder, file, values))
        names = _texts(inside(folder, self.classes), self.classes_variable) if self.classes else None
        rows = []
        for where, name, label in found:
            image = ImageSample(name, FileImage(picture_file(where, top, name, "image")), f"{self.images}/{name}")
            rows.append(AnnotatedImage(image, label))
        return dataset_of(rows, names)

    def _structures(self, file: Path, values: np.ndarray) -> Iterator[tuple[str, str, int]]:
        fields = values.dtype.names or ()
        if lacking := [name for name in (self.image, self.label) if name not in fields]:
            raise TaskError(
                f"{file}: {self.variable!r} has no field {lacking[0]!r}; it has {', '.join(fields) or 'none'}."
            )
        for number, value in enumerate(values.ravel(), start=1):
            where = f"{file}, {self.variable}({number})"
            yield where, str(np.squeeze(value[self.image])), _class(where, value[self.label])

    def _numbered(self, folder: Path, file: Path, values: np.ndarray) -> Iterator[tuple[str, str, int]]:
        labels = values.ravel()
        numbers = np.arange(1, len(labels) + 1)
        if self.subset:
            numbers = read_variable(inside(folder, self.subset), self.subset_variable).ravel()
        for number in numbers:
            where = f"{file}, image {number}"
            if not np.issubdtype(numbers.dtype, np.number) or not 1 <= number <= len(labels):
                raise TaskError(f"{where}: {self.variable!r} has labels of images 1 to {len(labels):,}.")
            yield where, self.picture.replace("{}", f"{int(number):05d}"), _class(where, labels[int(number) - 1])


def read_variable(file: Path, name: str) -> np.ndarray:
    """Return a variable of a MATLAB file. Raises TaskError if it cannot be read, is too large, or is missing."""
    content = _content(file)
    if name not in content:
        raise TaskError(f"{file} has no variable {name!r}; it has {', '.join(variables_in(file)) or 'none'}.")
    return np.asarray(content[name])


def variables_in(file: Path) -> list[str]:
    """Return the names of the variables of a MATLAB file. Raises TaskError as ``read_variable`` does."""
    return [name for name in _content(file) if not name.startswith("__")]


def _content(file: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    try:
        data = read_bytes(file, MATLAB_BYTES)
        _check_unpacked(data)
        content: dict[str, Any] = loadmat(io.BytesIO(data))
    except OSError as error:
        raise TaskError(f"{file} cannot be read: {error.strerror or error}.") from None
    except Exception as error:  # scipy raises errors of many types for damaged files
        raise TaskError(f"{file} is not a readable MATLAB file of version 5: {first_line(error)}.") from None
    return content


def _check_unpacked(data: bytes) -> None:
    """Raise ValueError if a variable unpacks to more than a limit."""
    place = HEADER
    while place + TAG <= len(data):
        kind, size = struct.unpack_from("<II", data, place)
        if kind == COMPRESSED:
            unpacked = zlib.decompressobj().decompress(data[place + TAG : place + TAG + size], MATLAB_UNPACKED + 1)
            if len(unpacked) > MATLAB_UNPACKED:
                raise ValueError(f"a variable unpacks to more than {MATLAB_UNPACKED:,} bytes")
        place += TAG + size


def _class(where: str, value: Any) -> int:
    label = np.squeeze(value)
    if label.shape or not np.issubdtype(label.dtype, np.number) or label != int(label) or label < 1:
        raise TaskError(f"{where}: label {str(value)[:40]} is not a class number from 1 on.")
    return int(label) - 1


def _texts(file: Path, variable: str) -> list[str]:
    return [str(np.squeeze(value)) for value in read_variable(file, variable).ravel()]
