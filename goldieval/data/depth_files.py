"""Pictures with depth maps: two folders with corresponding file names, or a list that names both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, model_validator

from goldieval.core.errors import TaskError, listing
from goldieval.data.depth import DepthScale, FileDepth
from goldieval.data.file_names import picture_file
from goldieval.data.image_source import FileImage
from goldieval.data.paired_folders import PairedFolders
from goldieval.data.roots import inside
from goldieval.data.samples import Dataset, ImageSample
from goldieval.data.source import Source
from goldieval.data.text_files import read_text_file
from goldieval.data.train_split import TrainPart, TrainParts, needs_of_splits, train_rows, train_sources
from goldieval.data.walk import LeftOut, left_out_notes

NO_DEPTH = "None"  # in the place of the depth map, in the lists of BTS
WITHOUT_DEPTH = "images without a depth map"
Pairs = list[tuple[str, str]]  # image and depth map, relative to the data's folder; an empty name for no map


class TrainDepths(TrainPart):
    """Where a part of the train split lies; the fields are those of ``DepthMapsSource``."""

    images: str | None = None
    depths: str | None = None
    image_suffix: str | None = None
    depth_suffix: str | None = None
    pairs: str | None = None


class DepthMapsSource(Source):
    """Two folders with corresponding file names, or a list of pairs.

    Attributes:
        images: Folder of the images; with ``pairs``, the folder that the names of images are relative to.
        depths: Folder of the depth maps; with ``pairs``, the folder of their names, by default that of the images.
        image_suffix: Ending of image names that is replaced by ``depth_suffix``; by default the file extension.
        depth_suffix: Ending of the names of depth maps.
        pairs: Instead of folders, a text file with one line per image: image, depth map, and anything else after
            spaces, as the Eigen split of BTS has it; commas take the place of spaces in a .csv file.
        without_depth: Images without a depth map are an error, or left out and counted.
        metres_per_unit: Metres that a stored value of 1 stands for: 0.001 for millimetres, 1 for metres.
        unknown: Stored values of pixels of unknown depth; the words nan, inf and negative stand for all such values.
        train: A second split, to train a dense probe on: the keys that differ from those of the test split.
    """

    reader: Literal["depth-maps"]
    images: str = ""
    depths: str = ""
    image_suffix: str = ""
    depth_suffix: str = ".png"
    pairs: str = ""
    without_depth: Literal["error", "leave out"] = "error"
    metres_per_unit: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    unknown: list[Annotated[float, Field(allow_inf_nan=False)] | Literal["nan", "inf", "negative"]] = [0]
    train: TrainParts[TrainDepths] = []

    @model_validator(mode="after")
    def _says_where(self) -> DepthMapsSource:
        if not self.pairs and not (self.images and self.depths):
            raise ValueError("name the folders `images` and `depths`, or the list `pairs`")
        return self

    def needs(self) -> list[str]:
        return needs_of_splits([self.pairs, self.images, self.depths], train_sources(self, self.train))

    def read(self, folder: Path) -> Dataset:
        left_out: LeftOut = LeftOut()
        tested = self._complete(folder, left_out)
        trained = [pair for split in train_sources(self, self.train) for pair in split._complete(folder, left_out)]
        pairs, scale = [*tested, *trained], DepthScale(self.metres_per_unit, tuple(self.unknown))
        return Dataset(
            images=[ImageSample(image, FileImage(inside(folder, image)), image) for image, _ in pairs],
            depths=[FileDepth(inside(folder, depth), scale) for _, depth in pairs],
            train=train_rows(*([image for image, _ in part] for part in (tested, trained))) if self.train else None,
            notes=left_out_notes(left_out),
        )

    @property
    def _folders(self) -> PairedFolders:
        return PairedFolders(self.images, self.depths, self.image_suffix, self.depth_suffix, "", kind="depth map")

    def _complete(self, folder: Path, left_out: LeftOut) -> Pairs:
        """Return the pairs of one split whose depth map exists. Raises TaskError if any is missing, see the card."""
        pairs = list(self._listed(folder) if self.pairs else self._folders.pairs(folder, left_out))
        lacking = [image for image, depth in pairs if not depth or not inside(folder, depth).is_file()]
        if lacking and (self.without_depth == "error" or len(lacking) == len(pairs)):
            raise TaskError(
                f"{len(lacking):,} of {len(pairs):,} images have no depth map in {folder}: {listing(lacking)}. Get the "
                "data again, or let `without_depth: leave out` in the card's source leave them out."
            )
        for image in lacking:
            left_out[PurePosixPath(image).suffix.lower(), WITHOUT_DEPTH] += 1
        gone = set(lacking)
        return [pair for pair in pairs if pair[0] not in gone]

    def _listed(self, folder: Path) -> Iterator[tuple[str, str]]:
        file = inside(folder, self.pairs)
        separator = "," if file.suffix.lower() == ".csv" else None
        found = 0
        for number, line in enumerate(read_text_file(file).splitlines(), start=1):
            names = [name.strip() for name in line.split(separator)]
            if not any(names):
                continue
            where = f"{file}:{number}"
            if len(names) < 2 or not all(names[:2]):
                raise TaskError(f"{where}: {line.strip()[:80]!r} does not name an image and its depth map.")
            found += 1
            image, depth = names[:2]
            yield (
                _relative(folder, self.images, where, image),
                "" if depth == NO_DEPTH else _relative(folder, self.depths or self.images, where, depth),
            )
        if not found:
            raise TaskError(f"{file} lists no images.")


def _relative(folder: Path, below: str, where: str, name: str) -> str:
    """Return the path of a listed file relative to the data's folder; a slash in front means the folder ``below``.

    Raises:
        TaskError: It leads outside.
    """
    inner = name.lstrip("/")
    picture_file(where, inside(folder, below or "."), inner, "image")
    return f"{below}/{inner}" if below else inner
