"""Images with mask files: two folders, or a table that names both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from goldieval.core.errors import TaskError, listing
from goldieval.data.file_names import file_name, picture_file, relative_name
from goldieval.data.image_source import FileImage
from goldieval.data.masks import OUTSIDE, VALUES, FileMask, Labels, label_table
from goldieval.data.paired_folders import PairedFolders
from goldieval.data.roots import inside
from goldieval.data.samples import Dataset, ImageSample
from goldieval.data.source import Source, read_names
from goldieval.data.table_files import read_json_file, read_table, text_in, value_of
from goldieval.data.train_split import TrainPart, TrainParts, needs_of_splits, train_rows, train_sources
from goldieval.data.walk import LeftOut, left_out_notes

WITHOUT_MASK = "images without a mask"


def _expanded(values: list[int | str]) -> list[int | str]:
    """Expand ranges: ``["0-2", 5]`` is 0, 1, 2, 5."""
    numbers: list[int | str] = []
    for value in values:
        first, _, last = str(value).partition("-")
        if not (first.isdecimal() and (last or first).isdecimal() and int(first) <= int(last or first) < VALUES):
            raise ValueError(f"{value!r} is neither a value from 0 to {VALUES - 1} nor a range like '3-9'")
        numbers += range(int(first), int(last or first) + 1)
    if len(set(numbers)) < len(numbers):
        raise ValueError("a value is given twice")
    return numbers


RawValues = Annotated[list[int | str], AfterValidator(_expanded)]


class LabelledSource(Source):
    """Options shared by all readers of masks.

    Attributes:
        values: Raw values in class order, with ranges such as "0-10"; if empty, a raw value is its class.
        ignore: Raw values of pixels without a label; by default 255, unless that is a class in ``values``.
        reduce_zero_label: Whether value 0 is ignored and the other values count from 1.
        others: Values that are not listed are an error, or the class "background" before all others.
        classes: File with the class names: one per line in class order, or JSON from raw value to name.
    """

    values: RawValues = []
    ignore: RawValues = [255]
    reduce_zero_label: bool = False
    others: Literal["error", "background"] = "error"
    classes: str = ""

    def labelling(self, folder: Path) -> tuple[Labels, list[str] | None]:
        """Return the meaning of raw values, and the class names if the data have them. Raises TaskError."""
        values, names = [int(value) for value in self.values], None
        ignore = [int(value) for value in self.ignore]
        if "ignore" not in self.model_fields_set:
            ignore = [value for value in ignore if value not in values]
        if both := [str(value) for value in ignore if value in values]:
            raise TaskError(
                f"source.ignore and source.values both list {listing(both)}: a value is a class or ignored."
            )
        if self.classes.endswith(".json"):
            named = {value: name for value, name in _named(inside(folder, self.classes)).items() if value not in ignore}
            values, names = values or list(named), list(named.values())
        elif self.classes:
            names = read_names(inside(folder, self.classes))
        if self.reduce_zero_label and (values or self.others == "background"):
            raise TaskError("source.reduce_zero_label is for values that count from 1; remove it if values are listed.")
        if names is not None and values and len(names) != len(values):
            raise TaskError(f"{len(names):,} class names in {self.classes} for {len(values):,} values of the labels.")
        rest = 0 if self.others == "background" else OUTSIDE
        return label_table(values, ignore, self.reduce_zero_label, rest), names


class TrainMasks(TrainPart):
    """Where a part of the train split lies; the fields are those of ``MasksSource``."""

    images: str | None = None
    masks: str | None = None
    image_suffix: str | None = None
    mask_suffix: str | None = None
    names: str | None = None
    file: str | None = None


class MasksSource(LabelledSource):
    """Two folders with corresponding file names, or a table.

    Attributes:
        images: Folder of the images; with ``file``, the folder that its image column is relative to.
        masks: Folder of the masks; with ``file``, the folder that its mask column is relative to.
        image_suffix: Ending of image names that is replaced by ``mask_suffix``; by default the file extension.
        mask_suffix: Ending of mask names.
        without_mask: Images without a mask are an error, or left out and counted.
        names: File with the names (without ending) to use, one per line.
        file: Instead of folders, a table with one row per image.
        image: Column of the image's file name.
        mask: Column of the mask's file name.
        train: A second split, to train a dense probe on: the keys that differ from those of the test split.
    """

    reader: Literal["masks"]
    images: str = ""
    masks: str = ""
    image_suffix: str = ""
    mask_suffix: str = ".png"
    without_mask: Literal["error", "leave out"] = "error"
    names: str = ""
    file: str = ""
    image: str = "image"
    mask: str = "mask"
    train: TrainParts[TrainMasks] = []

    def needs(self) -> list[str]:
        named = [self.file] if self.file else [self.images, self.masks]
        return needs_of_splits([*named, self.names, self.classes], train_sources(self, self.train))

    def read(self, folder: Path) -> Dataset:
        meaning, names = self.labelling(folder)
        left_out: LeftOut = LeftOut()
        tested = self._pairs(folder, left_out)
        trained = [pair for split in train_sources(self, self.train) for pair in split._pairs(folder, left_out)]
        pairs = [*tested, *trained]
        return Dataset(
            images=[ImageSample(image, FileImage(inside(folder, image)), image) for image, _ in pairs],
            masks=[FileMask(inside(folder, mask), meaning) for _, mask in pairs],
            train=train_rows(*([image for image, _ in part] for part in (tested, trained))) if self.train else None,
            class_names=names,
            notes=left_out_notes(left_out),
        )

    def _pairs(self, folder: Path, left_out: LeftOut) -> list[tuple[str, str]]:
        """Return image and mask of each pair of one split. Raises TaskError if masks are missing."""
        pairs = list(self._rows(folder) if self.file else self._folders.pairs(folder, left_out))
        lacking = [pair for pair in pairs if not inside(folder, pair[1]).is_file()]
        if lacking and (self.without_mask == "error" or len(lacking) == len(pairs)):
            raise TaskError(
                f"{len(lacking):,} of {len(pairs):,} images have no mask: {folder} lacks "
                f"{listing(mask for _, mask in lacking)}."
            )
        for image, _ in lacking:
            left_out[Path(image).suffix.lower(), WITHOUT_MASK] += 1
        gone = set(lacking)
        return [pair for pair in pairs if pair not in gone]

    @property
    def _folders(self) -> PairedFolders:
        return PairedFolders(self.images, self.masks, self.image_suffix, self.mask_suffix, self.names, kind="mask")

    def _rows(self, folder: Path) -> Iterator[tuple[str, str]]:
        for where, row in read_table(inside(folder, self.file)):
            yield (
                self._named(folder, self.images, where, row, self.image),
                self._named(folder, self.masks, where, row, self.mask),
            )

    def _named(self, folder: Path, below: str, where: str, row: dict[str, Any], column: str) -> str:
        """Return the path that a row names, relative to the data's folder. Raises TaskError if it leads outside."""
        top, name = inside(folder, below or "."), file_name(where, value_of(where, row, column), column)
        picture_file(where, top, name, column)
        return f"{below}/{relative_name(top, name)}" if below else name


def _named(file: Path) -> dict[int, str]:
    """Read a mapping such as ``{"0": "wall", …}``, sorted by value."""
    content = read_json_file(file)
    if not isinstance(content, dict) or not all(value.isdecimal() for value in content):
        raise TaskError(f"cannot read {file} as a JSON mapping from value to name.")
    pairs = [(int(value), text_in(str(file), content, value)) for value in content]
    invalid = [str(value) for value, _ in pairs if not 0 <= value < VALUES]
    if invalid:
        raise TaskError(f"{file}: values outside 0..{VALUES - 1}: {listing(invalid)}.")
    return dict(sorted(pairs))
