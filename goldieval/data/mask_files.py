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
from goldieval.data.roots import inside
from goldieval.data.samples import Dataset, ImageSample
from goldieval.data.source import Source, read_lines, read_names
from goldieval.data.table_files import read_json_file, read_table, text_in, value_of
from goldieval.data.walk import LeftOut, files_below, is_leftover, is_picture, left_out_notes

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

    def needs(self) -> list[str]:
        named = [self.file] if self.file else [self.images, self.masks]
        return [name for name in (*named, self.names, self.classes) if name]

    def read(self, folder: Path) -> Dataset:
        meaning, names = self.labelling(folder)
        left_out: LeftOut = LeftOut()
        pairs = list(self._rows(folder) if self.file else self._files(folder, left_out))
        lacking = [pair for pair in pairs if not inside(folder, pair[1]).is_file()]
        if lacking and (self.without_mask == "error" or len(lacking) == len(pairs)):
            raise TaskError(
                f"{len(lacking):,} of {len(pairs):,} images have no mask: {folder} lacks "
                f"{listing(mask for _, mask in lacking)}."
            )
        for image, _ in lacking:
            left_out[Path(image).suffix.lower(), WITHOUT_MASK] += 1
        pairs = [pair for pair in pairs if pair not in set(lacking)]
        return Dataset(
            images=[ImageSample(image, FileImage(inside(folder, image)), image) for image, _ in pairs],
            masks=[FileMask(inside(folder, mask), meaning) for _, mask in pairs],
            class_names=names,
            notes=left_out_notes(left_out),
        )

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

    def _files(self, folder: Path, left_out: LeftOut) -> Iterator[tuple[str, str]]:
        top, masks = inside(folder, self.images), inside(folder, self.masks)
        found = files_below(folder, top, left_out, lambda name: self._is_picture(name) or _within(top / name, masks))
        present = [name for name in found if not self._is_mask_of(top / name, masks)]
        by_stem: dict[str, str] = {}
        for name in present:
            other = by_stem.setdefault(self._stem(name), name)
            if other is not name:
                raise TaskError(
                    f"{top} holds {other} and {name}, two images for one mask. Choose one kind with image_suffix."
                )
        if not present:
            raise TaskError(f"{top} holds no images{self._besides_masks(top, masks)}.")
        wanted = read_lines(inside(folder, self.names)) if self.names else list(by_stem)
        if lacking := [name for name in wanted if name not in by_stem]:
            raise TaskError(f"{len(lacking):,} images of {self.names} are not in {top}: {listing(lacking)}.")
        self._count_spare(folder, masks, wanted if not self.names else None, left_out)
        for stem in wanted:
            yield f"{self.images}/{by_stem[stem]}", f"{self.masks}/{stem}{self.mask_suffix}"

    def _is_picture(self, name: str) -> bool:
        file = name.rpartition("/")[2]
        return (file.endswith(self.image_suffix) and not is_leftover(file)) if self.image_suffix else is_picture(name)

    def _is_mask_of(self, file: Path, masks: Path) -> bool:
        """Return whether a file in the masks' folder is a mask by its ending, unless the images' ending is longer."""
        if not _within(file, masks):
            return False
        exact = len(self.image_suffix) > len(self.mask_suffix) and file.name.endswith(self.image_suffix)
        return not exact and (file.name.endswith(self.mask_suffix) or not self._is_picture(file.name))

    def _count_spare(self, folder: Path, masks: Path, used: list[str] | None, left_out: LeftOut) -> None:
        """Count masks without an image, unless the card selects among the images."""
        if used is None or not masks.is_dir():
            return
        there = files_below(folder, masks, LeftOut(), lambda name: name.endswith(self.mask_suffix))
        spare = {name for name in there if self._is_mask_of(masks / name, masks)}
        left_out[self.mask_suffix, "masks without a picture"] += len(
            spare - {f"{stem}{self.mask_suffix}" for stem in used}
        )

    def _besides_masks(self, top: Path, masks: Path) -> str:
        if not top.is_relative_to(masks):
            return ""
        return f" besides the masks, which end with {self.mask_suffix}: set image_suffix or mask_suffix"

    def _stem(self, name: str) -> str:
        return name.removesuffix(self.image_suffix) if self.image_suffix else name.rpartition(".")[0]


def _within(file: Path, folder: Path) -> bool:
    return file.is_relative_to(folder)


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
