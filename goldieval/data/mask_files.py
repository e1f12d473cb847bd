"""Pictures with masks as files: two folders, or a table that names both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator

from goldieval.core.reading import read_json
from goldieval.data.folder import PICTURES
from goldieval.data.masks import OUTSIDE, VALUES, FileMask, Labels, labels
from goldieval.data.paths import inside
from goldieval.data.rows import read_table, value_of
from goldieval.data.samples import Dataset, FileImage, ImageSample
from goldieval.data.source import Source, read_lines
from goldieval.errors import TaskError, listing


def _expanded(values: list[int | str]) -> list[int | str]:
    """Write ranges out: ``["0-2", 5]`` is 0, 1, 2, 5."""
    numbers: list[int | str] = []
    for value in values:
        first, _, last = str(value).partition("-")
        if not (first.isdecimal() and (last or first).isdecimal() and int(first) <= int(last or first) < VALUES):
            raise ValueError(f"{value!r} is no value from 0 to {VALUES - 1} and no range like '3-9'")
        numbers += range(int(first), int(last or first) + 1)
    if len(set(numbers)) < len(numbers):
        raise ValueError("a value is given twice")
    return numbers


RawValues = Annotated[list[int | str], AfterValidator(_expanded)]


class LabelledSource(Source):
    """What readers of masks share.

    values: raw values in class order, with ranges like "0-10"; none: a value is its class.   ignore: raw values of
    pixels without a label.   reduce_zero_label: value 0 is ignored, the others count from 1.   others: values that are
    in no list are an error, or the class "background" before all others.
    classes: file with the class names: one a line in class order, or JSON from raw value to name.
    """

    values: RawValues = []
    ignore: RawValues = [255]
    reduce_zero_label: bool = False
    others: Literal["error", "background"] = "error"
    classes: str = ""

    def labelling(self, folder: Path) -> tuple[Labels, list[str] | None]:
        """Return what raw values mean, and the class names where the data have them. Raises TaskError."""
        ignore = [int(value) for value in self.ignore]
        values, names = [int(value) for value in self.values], None
        if self.classes.endswith(".json"):
            named = {value: name for value, name in _named(inside(folder, self.classes)).items() if value not in ignore}
            values, names = values or list(named), list(named.values())
        elif self.classes:
            names = read_lines(inside(folder, self.classes))
        if self.reduce_zero_label and (values or self.others == "background"):
            raise TaskError("source.reduce_zero_label is for values that count from 1; leave it out beside a list.")
        if names is not None and values and len(names) != len(values):
            raise TaskError(f"{len(names):,} class names in {self.classes} for {len(values):,} values of the labels.")
        rest = 0 if self.others == "background" else OUTSIDE
        return labels(values, ignore, self.reduce_zero_label, rest), names


class MasksSource(LabelledSource):
    """Two folders with the same names inside, or a table.

    images, masks: folders.   image_suffix, mask_suffix: endings by which files of the two are one pair; the ending
    of pictures may be left out.   names: file with the names (without ending) to take, one a line.
    file: or a table with a row a picture, whose columns ``image`` and ``mask`` name the files.
    """

    reader: Literal["masks"]
    images: str = ""
    masks: str = ""
    image_suffix: str = ""
    mask_suffix: str = ".png"
    names: str = ""
    file: str = ""
    image: str = "image"
    mask: str = "mask"

    def needs(self) -> list[str]:
        named = [self.file] if self.file else [self.images, self.masks]
        return [name for name in (*named, self.names, self.classes) if name]

    def read(self, folder: Path) -> Dataset:
        meaning, names = self.labelling(folder)
        pairs = list(self._rows(folder) if self.file else self._files(folder))
        lacking = [mask for _, mask in pairs if not inside(folder, mask).is_file()]
        if lacking:
            raise TaskError(
                f"{len(lacking):,} of {len(pairs):,} pictures have no mask: {folder} lacks {listing(lacking)}."
            )
        return Dataset(
            images=[ImageSample(image, FileImage(inside(folder, image)), image) for image, _ in pairs],
            masks=[FileMask(inside(folder, mask), meaning) for _, mask in pairs],
            class_names=names,
        )

    def _rows(self, folder: Path) -> Iterator[tuple[str, str]]:
        for where, row in read_table(inside(folder, self.file)):
            yield str(value_of(where, row, self.image)), str(value_of(where, row, self.mask))

    def _files(self, folder: Path) -> Iterator[tuple[str, str]]:
        top = inside(folder, self.images)
        present = [file.relative_to(top).as_posix() for file in sorted(top.rglob("*")) if self._is_picture(file)]
        by_stem = {self._stem(name): name for name in present}
        wanted = read_lines(inside(folder, self.names)) if self.names else list(by_stem)
        if lacking := [name for name in wanted if name not in by_stem]:
            raise TaskError(f"{len(lacking):,} pictures of {self.names} are not in {top}: {listing(lacking)}.")
        for stem in wanted:
            yield f"{self.images}/{by_stem[stem]}", f"{self.masks}/{stem}{self.mask_suffix}"

    def _is_picture(self, file: Path) -> bool:
        ending = file.name.endswith(self.image_suffix) if self.image_suffix else file.suffix.lower() in PICTURES
        return ending and not file.name.startswith(".")

    def _stem(self, name: str) -> str:
        return name.removesuffix(self.image_suffix) if self.image_suffix else name.rpartition(".")[0]


def _named(file: Path) -> dict[int, str]:
    """Read ``{"0": "wall", …}``, sorted by value."""
    try:
        content = read_json(file)
        pairs: Sequence[tuple[int, str]] = [(int(value), str(name)) for value, name in content.items()]
    except (OSError, ValueError, AttributeError) as error:
        raise TaskError(f"cannot read {file} as JSON from value to name: {error}") from None
    strange = [str(value) for value, _ in pairs if not 0 <= value < VALUES]
    if strange:
        raise TaskError(f"{file}: values outside 0..{VALUES - 1}: {listing(strange)}.")
    return dict(sorted(pairs))
