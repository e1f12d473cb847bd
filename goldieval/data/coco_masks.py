"""COCO's masks: panoptic PNGs with their JSON, or outlines of things and stuff."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from goldieval.core.errors import TaskError, listing
from goldieval.data.coco_file import CocoFile, Entry, check_id, entries_of, read_coco
from goldieval.data.coco_pixels import NOTHING, OutlineMask, PanopticMask
from goldieval.data.file_names import picture_file, relative_name
from goldieval.data.image_source import FileImage
from goldieval.data.mask_files import LabelledSource
from goldieval.data.masks import OUTSIDE, VALUES, Labels, MaskSource, label_table
from goldieval.data.roots import inside
from goldieval.data.samples import Dataset, ImageSample
from goldieval.data.table_files import text_in
from goldieval.data.train_split import TrainPart, TrainParts, needs_of_splits, train_rows, train_sources

MOST_CATEGORIES = 10_000


class TrainCocoMasks(TrainPart):
    """Where a part of the train split lies; the fields are those of ``CocoMasksSource``."""

    annotations: str | None = None
    images: str | None = None
    masks: str | None = None


class CocoMasksSource(LabelledSource):
    """COCO's masks as a card's source.

    Classes are the file's categories in the order of their ids, unless ``values`` lists ids. Pixels without a category
    are ignored or, with ``others: background``, of class 0. Objects may overlap: the smaller one is on top.

    Attributes:
        annotations: Panoptic, instances or stuff JSON.
        images: Folder of the images.
        masks: Folder of panoptic PNGs.
        train: A second split, to train a dense probe on: the keys that differ from those of the test split.
    """

    reader: Literal["coco-masks"]
    annotations: str
    images: str
    masks: str = ""
    train: TrainParts[TrainCocoMasks] = []

    def needs(self) -> list[str]:
        return needs_of_splits([self.annotations, self.images, self.masks], train_sources(self, self.train))

    def read(self, folder: Path) -> Dataset:
        dataset = self._split(folder)
        if not self.train:
            return dataset
        sources = train_sources(self, self.train)
        splits = [source._split(folder) for source in sources]
        for source, read in zip(sources, splits, strict=True):
            if read.class_names != dataset.class_names:
                raise TaskError(f"{source.annotations} has other categories than {self.annotations}.")
        images = [image for split in splits for image in split.images]
        tested, trained = ([image.path for image in part] for part in (dataset.images, images))
        return Dataset(
            images=[*dataset.images, *images],
            masks=[mask for split in (dataset, *splits) for mask in split.masks or ()],
            train=train_rows(tested, trained),
            class_names=dataset.class_names,
        )

    def _split(self, folder: Path) -> Dataset:
        """Read one split. Raises TaskError."""
        file = inside(folder, self.annotations)
        found = read_coco(file)
        categories = _categories(file, found.content)
        ids = [int(value) for value in self.values] or sorted(categories)
        if lacking := [str(id) for id in ids if id not in categories]:
            raise TaskError(f"{self.annotations} has no category {listing(lacking)}.")
        raw = raw_values([*categories, *ids])
        behind = self.others == "background"
        meaning = label_table([raw[id] for id in ids], [] if behind else [NOTHING], rest=0 if behind else OUTSIDE)
        names = [*(["background"] if behind else []), *(categories[id] for id in ids)]
        return Dataset(
            images=[self._image(folder, file, entry) for entry in found.images],
            masks=[self._mask(folder, found, entry, raw, meaning) for entry in found.images],
            class_names=names,
        )

    def _image(self, folder: Path, file: Path, entry: Entry) -> ImageSample:
        top = inside(folder, self.images)
        source = FileImage(picture_file(f"{file}: image {entry['id']}", top, entry["file_name"], "file_name"))
        return ImageSample(
            f"{self.images}/{entry['file_name']}",
            source,
            f"{self.images}/{relative_name(top, str(entry['file_name']))}",
        )

    def _mask(self, folder: Path, found: CocoFile, entry: Entry, raw: dict[int, int], meaning: Labels) -> MaskSource:
        where, parts = f"{self.annotations}, image {entry['id']}", found.of(entry)
        if not self.masks:
            outlines = tuple((_raw(where, part, raw), _outline(where, part)) for part in parts)
            return OutlineMask(outlines, _size(where, entry), meaning, where)
        if len(parts) != 1:
            raise TaskError(f"{where}: {len(parts)} panoptic annotations instead of 1.")
        values = [(_raw(where, part, raw), part) for part in _list_in(where, parts[0], "segments_info")]
        segments = tuple((_whole(where, part, "id"), value) for value, part in values)
        if len(dict(segments)) < len(segments):
            raise TaskError(f"{where}: its segments_info lists a segment id twice.")
        file = picture_file(where, inside(folder, self.masks), parts[0].get("file_name"), "file_name")
        if not file.is_file():
            raise TaskError(f"{where}: no mask {file}.")
        return PanopticMask(file, segments, meaning)


def raw_values(ids: Sequence[int]) -> dict[int, int]:
    """Return the raw value that represents each category: its id, unless an id is 0 or exceeds 8 bits.

    >>> raw_values([1, 90]), raw_values([0, 7, 1001])
    ({1: 1, 90: 90}, {0: 1, 7: 2, 1001: 3})
    """
    known = sorted(set(ids))
    if all(NOTHING < id < VALUES for id in known):
        return {id: id for id in known}
    return {id: number for number, id in enumerate(known, start=1)}


def _categories(file: Path, content: Entry) -> dict[int, str]:
    """Return the name of each category. Raises TaskError if one has no id or name, or occurs twice."""
    found: dict[int, str] = {}
    for place, entry in enumerate(entries_of(file, content, "categories")):
        where = f"{file}: categories[{place}]"
        id = _whole(where, entry, "id")
        if id in found:
            raise TaskError(f"{where}: id {id} is also the id of another category.")
        found[id] = text_in(where, entry, "name")
    if not 0 < len(found) <= MOST_CATEGORIES:
        raise TaskError(f"{file} has {len(found):,} categories; 1 to {MOST_CATEGORIES:,} are allowed.")
    return found


def _whole(where: str, entry: Entry, key: str) -> int:
    text = check_id(where, entry, key)
    if not text.isdecimal():
        raise TaskError(f"{where}: {key!r} should be a non-negative integer, but is {text[:40]!r}.")
    return int(text)


def _raw(where: str, part: Any, raw: dict[int, int]) -> int:
    if not isinstance(part, dict):
        raise TaskError(f"{where}: an annotation is {str(part)[:40]!r}, not a mapping.")
    where = f"{where}, annotation {part.get('id')}"
    category = _whole(where, part, "category_id")
    if category not in raw:
        raise TaskError(f"{where}: category {category} is not among the file's categories.")
    return raw[category]


def _outline(where: str, part: Entry) -> str:
    if not isinstance(part.get("segmentation"), list | dict) or not part["segmentation"]:
        raise TaskError(f"{where}, annotation {part.get('id')}: it has no outline under 'segmentation'.")
    return json.dumps(part["segmentation"])


def _list_in(where: str, part: Entry, key: str) -> list[Any]:
    if not isinstance(part.get(key), list):
        raise TaskError(f"{where}: its annotation has no list {key!r}.")
    found: list[Any] = part[key]
    return found


def _size(where: str, entry: Entry) -> tuple[int, int]:
    from goldieval.data.decode import LIMIT, most_pixels

    height, width = (_whole(where, entry, key) for key in ("height", "width"))
    if not 0 < height * width <= most_pixels():
        raise TaskError(f"{where}: {width:,} x {height:,} pixels; 1 to {most_pixels():,} are allowed ({LIMIT}).")
    return height, width
