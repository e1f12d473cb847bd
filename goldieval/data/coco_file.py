"""COCO annotation files: images and annotations joined by id, with every entry checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldieval.core.errors import TaskError, listing
from goldieval.data.file_names import file_name
from goldieval.data.text_files import read_json_file

Entry = dict[str, Any]


@dataclass(frozen=True)
class CocoFile:
    """Content of an annotation file.

    Attributes:
        file: The file.
        images: Images in the order of their ids.
        annotations: Annotations by the ``id_text`` of their image, in the order of the file.
        content: The complete content.
    """

    file: Path
    images: list[Entry]
    annotations: dict[str, list[Entry]]
    content: Entry

    def of(self, image: Entry) -> list[Entry]:
        return self.annotations[id_text(image["id"])]


def read_coco(file: Path, by_address: bool = False) -> CocoFile:
    """Read an annotation file. The index of pycocotools does not support panoptic files.

    Ids may be numbers or texts, and an id of one kind may refer to the other (``1`` and ``"1"``).

    Args:
        file: The file.
        by_address: Whether an image without a ``file_name`` is named by the last two parts of its ``coco_url``, as in
            LVIS, whose images come from two folders.

    Raises:
        TaskError: The file is missing, an entry has no id or file name or occurs twice, or annotations refer to images
            that are not listed.
    """
    content = read_json_file(file)
    images = entries_of(file, content, "images")
    for place, image in enumerate(images):
        where = f"{file}: images[{place}]"
        check_id(where, image, "id")
        if by_address and "file_name" not in image and isinstance(image.get("coco_url"), str):
            image["file_name"] = "/".join(image["coco_url"].split("/")[-2:])
        file_name(where, image.get("file_name"), "file_name")
    annotations: dict[str, list[Entry]] = {id_text(image["id"]): [] for image in images}
    if len(annotations) < len(images):
        raise TaskError(f"{file}: duplicate image ids: {listing(_doubled(images))}.")
    strays = []
    for place, entry in enumerate(entries_of(file, content, "annotations")):
        owner = check_id(f"{file}: annotations[{place}]", entry, "image_id")
        if owner in annotations:
            annotations[owner].append(entry)
        else:
            strays.append(str(entry.get("id", place)))
    if strays:
        raise TaskError(f"{file}: {len(strays):,} annotations of images it does not list: {listing(strays)}.")
    return CocoFile(file, in_order(images), annotations, content)


def entries_of(file: Path, content: Any, key: str) -> list[Entry]:
    """Return the list under a key. Raises TaskError if there is none, or if it contains anything but mappings."""
    found = content.get(key) if isinstance(content, dict) else None
    if not isinstance(found, list):
        raise TaskError(f"{file} has no list {key!r}, so it is not a COCO file.")
    for place, entry in enumerate(found):
        if not isinstance(entry, dict):
            raise TaskError(f"{file}: {key}[{place}] is {str(entry)[:40]!r}, not a mapping.")
    return found


def check_id(where: str, entry: Entry, key: str) -> str:
    """Return the ``id_text`` of an entry's id. Raises TaskError if it has none."""
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float | str) or value == "":
        raise TaskError(f"{where}: {key!r} should be a number or a text, but is {str(value)[:40]!r}.")
    return id_text(value)


def id_text(value: Any) -> str:
    """Return an id as text, the same for all notations of one number.

    >>> id_text(7), id_text("7"), id_text(7.0), id_text("007")
    ('7', '7', '7', '007')
    """
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def in_order(entries: Sequence[Entry]) -> list[Entry]:
    """Sort by id: numbers numerically, texts alphabetically, and numbers before texts."""
    return sorted(entries, key=lambda entry: (isinstance(entry["id"], str), entry["id"]))


def _doubled(entries: Sequence[Entry]) -> list[str]:
    counts = Counter(id_text(entry["id"]) for entry in entries)
    return sorted(id for id, count in counts.items() if count > 1)
