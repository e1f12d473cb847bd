"""Ground-truth boxes of COCO's instance files and of LVIS, whose files have the same layout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from goldieval.core.errors import TaskError
from goldieval.data.box_rows import BoxRow, BoxRows, Size, corners_of
from goldieval.data.coco_file import Entry, check_id, entries_of, id_text, in_order, read_coco
from goldieval.data.named_pictures import named_picture
from goldieval.data.roots import inside
from goldieval.data.samples import Dataset, ImageSample
from goldieval.data.source import Source
from goldieval.data.table_files import text_in

FREQUENCIES = {"r": "rare", "c": "common", "f": "frequent"}  # LVIS: by the number of training pictures
MOST_PIXELS = 1_000_000  # of one side of a picture


class CocoBoxesSource(Source):
    """Boxes of an instance file as a card's source. Classes are its categories in the order of their ids.

    An underscore in the name of a category becomes a space. Pictures without a box are not listed.

    Attributes:
        annotations: The instance file.
        images: Folder of the pictures: of ``file_name`` or, where an entry has none (LVIS), of the last two parts of
            ``coco_url``, such as ``val2017/000000000139.jpg``.
        listed: Number of pictures that the file must list, with or without boxes, so that a part of it is refused.
        crowd: Whether boxes around groups of objects (``iscrowd``) are kept.
    """

    reader: Literal["coco-boxes"]
    annotations: str
    images: str = "."
    listed: Annotated[int, Field(ge=1)] | None = None
    crowd: bool = True

    def needs(self) -> list[str]:
        return [self.annotations, self.images]

    def read(self, folder: Path) -> Dataset:
        file, pictures = inside(folder, self.annotations), inside(folder, self.images)
        content = read_coco(file, by_address=True)
        if self.listed is not None and len(content.images) != self.listed:
            raise TaskError(
                f"{file} lists {len(content.images):,} pictures instead of {self.listed:,}: a partial copy gives other "
                "results; get the whole file, or write your own card."
            )
        categories = _categories(file, content.content)
        index = {id_text(each["id"]): number for number, each in enumerate(categories)}
        groups = [_frequency(each) for each in categories]
        found, crowds = BoxRows(), 0
        for image in content.images:
            sample, image_id = self._sample(file, pictures, image), image["id"]
            size = _size(f"{file}: image {image['id']}", image)
            for entry in content.of(image):
                if entry.get("iscrowd") and not self.crowd:
                    crowds += 1
                    continue
                where = f"{file}: annotation {check_id(f'{file}: a box of image {image_id}', entry, 'id')}"
                label = index.get(check_id(where, entry, "category_id"))
                if label is None:
                    raise TaskError(f"{where}: category {entry['category_id']} is not among the categories.")
                found.add(where, _row(where, sample, size, entry, label, groups[label]))
        names = [text_in(f"{file}: category {each['id']}", each, "name").replace("_", " ") for each in categories]
        strata = [name for name in FREQUENCIES.values() if name in groups]
        notes = [f"left out: {crowds:,} boxes around groups (iscrowd)"] if crowds else []
        return found.dataset(names, strata, notes, where=file)

    def _sample(self, file: Path, pictures: Path, image: Entry) -> ImageSample:
        where = f"{file}: image {image['id']}"
        return named_picture(where, pictures, self.images, str(image["file_name"]), "file_name")


def _categories(file: Path, content: Entry) -> list[Entry]:
    """Return the categories in the order of their ids. Raises TaskError if there is none, or if an id is invalid."""
    found = entries_of(file, content, "categories")
    if not found:
        raise TaskError(f"{file}: the list of categories is empty.")
    ids = {check_id(f"{file}: a category", each, "id") for each in found}
    if len(ids) < len(found):
        raise TaskError(f"{file}: two categories have the same id.")
    return in_order(found)


def _frequency(category: Entry) -> str:
    """Return the group that LVIS puts a category in; empty in COCO's files."""
    return FREQUENCIES.get(str(category.get("frequency", "")), "")


def _size(where: str, image: Entry) -> Size:
    """Return width and height as the file states them; 0 if it does not. Raises TaskError for anything but numbers."""
    sides = [image.get(side, 0) for side in ("width", "height")]
    if not all(isinstance(side, int) and not isinstance(side, bool) and 0 <= side <= MOST_PIXELS for side in sides):
        raise TaskError(f"{where}: {str(sides[0])[:20]} x {str(sides[1])[:20]} is not the size of a picture in pixels.")
    return (sides[0], sides[1]) if all(sides) else (0, 0)


def _row(where: str, image: ImageSample, size: Size, entry: dict[str, Any], label: int, group: str) -> BoxRow:
    box = entry.get("bbox")
    if not isinstance(box, list):
        raise TaskError(f"{where}: 'bbox' should be a list of four numbers, but is {str(box)[:40]!r}.")
    return BoxRow(
        image=image,
        size=size,
        id=check_id(where, entry, "id"),
        corners=corners_of(where, box, "xywh"),
        label=label,
        groups=[group] if group else [],
    )
