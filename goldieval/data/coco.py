"""COCO caption annotations: one JSON file with ``images`` and ``annotations``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from goldieval.core.errors import TaskError
from goldieval.data.caption_rules import CaptionedSource
from goldieval.data.coco_file import Entry, check_id, id_text, in_order, read_coco
from goldieval.data.named_pictures import named_picture
from goldieval.data.roots import inside
from goldieval.data.samples import AnnotatedImage, Dataset
from goldieval.data.table_files import MISSING_CAPTION, is_missing, text_in
from goldieval.data.walk import LeftOut, left_out_notes


class CocoSource(CaptionedSource):
    """COCO captions as a card's source.

    Attributes:
        annotations: The captions file.
        images: Folder of the images that it names.
    """

    reader: Literal["coco"]
    annotations: str
    images: str

    def needs(self) -> list[str]:
        return [self.annotations, self.images]

    def read(self, folder: Path) -> Dataset:
        file, pictures = inside(folder, self.annotations), inside(folder, self.images)
        found = read_coco(file)
        rows, left_out = [], LeftOut()
        for image in found.images:
            where, name = f"{file}: image {image['id']}", str(image["file_name"])
            captions = _captions(file, found.of(image), left_out if self.allows_missing else None)
            sample = named_picture(where, pictures, self.images, name, "file_name")
            rows.append(AnnotatedImage(sample, captions=captions))
        return self.dataset(rows, notes=left_out_notes(left_out))


def _captions(file: Path, entries: list[Entry], left_out: LeftOut | None) -> list[tuple[str, str]]:
    """Return id and text of an image's captions, sorted by id.

    Raises:
        TaskError: A caption has no text and is not to be counted in ``left_out``, or two have the same id.
    """
    if left_out is not None:
        there = [entry for entry in entries if not is_missing(entry.get("caption"))]
        left_out[MISSING_CAPTION] += len(entries) - len(there) if there else 0
        entries = there
    for entry in entries:
        check_id(f"{file}: a caption of image {entry['image_id']}", entry, "id")
    if len({id_text(entry["id"]) for entry in entries}) < len(entries):
        raise TaskError(f"{file}: two captions of image {entries[0]['image_id']} have the same id.")
    return [
        (str(entry["id"]), text_in(f"{file}: caption {entry['id']}", entry, "caption")) for entry in in_order(entries)
    ]
