"""COCO's annotation files: images and annotations joined by ids, each entry checked and named where it is wrong."""

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
    """images: in the order of their ids.   annotations: by the ``id_text`` of their image, in the file's order.

    content: all that the file holds.
    """

    file: Path
    images: list[Entry]
    annotations: dict[str, list[Entry]]
    content: Entry

    def of(self, image: Entry) -> list[Entry]:
        return self.annotations[id_text(image["id"])]


def read_coco(file: Path) -> CocoFile:
    """Read an annotation file. pycocotools' own index knows no panoptic files.

    Ids may be numbers or texts, and one of either kind may name the other (``1`` and ``"1"``).

    Raises:
        TaskError: no such file; an entry without id or file name, or twice; annotations of images that are not listed.
    """
    content = read_json_file(file)
    images = entries_of(file, content, "images")
    for place, image in enumerate(images):
        where = f"{file}: images[{place}]"
        check_id(where, image, "id")
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
    """Return the list under a key. Raises TaskError where there is none, or one that holds something else."""
    found = content.get(key) if isinstance(content, dict) else None
    if not isinstance(found, list):
        raise TaskError(f"{file} has no list {key!r}, so it is no such file as COCO has.")
    for place, entry in enumerate(found):
        if not isinstance(entry, dict):
            raise TaskError(f"{file}: {key}[{place}] is {str(entry)[:40]!r}, no mapping.")
    return found


def check_id(where: str, entry: Entry, key: str) -> str:
    """Return the ``id_text`` of an entry's id. Raises TaskError where it has none."""
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float | str) or value == "":
        raise TaskError(f"{where}: {key!r} should be a number or a text, but is {str(value)[:40]!r}.")
    return id_text(value)


def id_text(value: Any) -> str:
    """Return an id as text, alike for the writings of one number.

    >>> id_text(7), id_text("7"), id_text(7.0), id_text("007")
    ('7', '7', '7', '007')
    """
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def in_order(entries: Sequence[Entry]) -> list[Entry]:
    """Sort by id: numbers by size, texts by letters; of both kinds, numbers first."""
    return sorted(entries, key=lambda entry: (isinstance(entry["id"], str), entry["id"]))


def _doubled(entries: Sequence[Entry]) -> list[str]:
    counts = Counter(id_text(entry["id"]) for entry in entries)
    return sorted(id for id, count in counts.items() if count > 1)
