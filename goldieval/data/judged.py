"""COCO captions whose true pairs were judged afterwards: a list of captions, and two mappings of ids in JSON.

ECCV Caption (Chun et al. 2022) and CxC (Parekh et al. 2021) name images that a caption describes although it was
written for another one; the files are those of the package eccv-caption.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.core.limits import TEXT_BYTES
from goldieval.core.reading import check_regular
from goldieval.data.coco_file import CocoFile, id_text, read_coco
from goldieval.data.named_pictures import named_picture
from goldieval.data.roots import inside
from goldieval.data.samples import Dataset, ImageSample, TextSample, refuse_duplicates
from goldieval.data.source import Source
from goldieval.data.table_files import text_in
from goldieval.data.text_files import read_json_file


class JudgedSource(Source):
    """Judged pairs of COCO captions and images as a card's source.

    A caption or image is a query if the mapping of its direction names it; the gallery has all captions of the list and
    all their images, in the order of the list. A positive that is not in the gallery can never be found and counts as
    missed.

    Attributes:
        annotations: COCO's file of captions.
        images: Folder of the images that it names.
        captions: NumPy file with the ids of the captions in the gallery.
        caption_to_image: JSON file: id of a caption to the ids of its images.
        image_to_caption: JSON file: id of an image to the ids of its captions.
    """

    reader: Literal["judged"]
    annotations: str
    images: str
    captions: str
    caption_to_image: str
    image_to_caption: str

    def needs(self) -> list[str]:
        return [self.annotations, self.images, self.captions, self.caption_to_image, self.image_to_caption]

    def read(self, folder: Path) -> Dataset:
        coco = read_coco(inside(folder, self.annotations))
        chosen = _ids_in(inside(folder, self.captions))
        texts, of_texts = _texts(coco, chosen)
        image_ids = list(dict.fromkeys(of_texts))
        row_of_text = {id: row for row, id in enumerate(chosen)}
        row_of_image = {id: row for row, id in enumerate(image_ids)}
        by_text = _mapping(inside(folder, self.caption_to_image), row_of_text)
        by_image = _mapping(inside(folder, self.image_to_caption), row_of_image)
        absent = np.zeros(len(image_ids), dtype=np.int64)
        for image, captions in by_image.items():
            absent[row_of_image[image]] = sum(caption not in row_of_text for caption in captions)
        unknown = {image for images in by_text.values() for image in images} - set(row_of_image)
        if unknown:
            raise TaskError(
                f"{inside(folder, self.caption_to_image)} names {len(unknown):,} images without a caption in "
                f"{self.captions}: {listing(sorted(unknown))}."
            )
        _refuse_contradictions(by_text, by_image)
        pairs = {(row_of_text[text], row_of_image[image]) for text, images in by_text.items() for image in images}
        pairs |= {
            (row_of_text[text], row_of_image[image])
            for image, captions in by_image.items()
            for text in captions
            if text in row_of_text
        }
        return Dataset(
            images=_images(coco, folder, self.images, image_ids),
            texts=texts,
            positives=np.asarray(sorted(pairs), dtype=np.int64).reshape(-1, 2),
            owner=np.asarray([row_of_image[image] for image in of_texts], dtype=np.int64),
            text_queries=np.asarray([id in by_text for id in chosen]),
            image_queries=np.asarray([id in by_image for id in image_ids]),
            absent_positives=absent,
        )


def _ids_in(file: Path) -> list[str]:
    """Return the ids in a NumPy file, as text.

    Raises:
        TaskError: The file cannot be read, is too large, or is not a list of integers.
    """
    try:
        check_regular(file)
        ids = np.load(file, mmap_mode="r", allow_pickle=False)  # mapped: a header may claim any size
    except (OSError, ValueError, EOFError, SyntaxError, TypeError) as error:
        raise TaskError(f"cannot read {file}: {error}. It should be a list of caption ids as NumPy saves it.") from None
    if not isinstance(ids, np.ndarray) or ids.ndim != 1 or ids.dtype.kind not in "iu" or ids.nbytes > TEXT_BYTES:
        raise TaskError(f"{file} should hold a list of whole numbers, the ids of captions.")
    found = [str(id) for id in ids.tolist()]
    refuse_duplicates("caption", found)
    if not found:
        raise TaskError(f"{file} holds no caption id.")
    return found


def _texts(coco: CocoFile, chosen: list[str]) -> tuple[list[TextSample], list[str]]:
    """Return the captions with these ids, and the id of the image of each. Raises TaskError if one does not exist."""
    captions = {id_text(entry.get("id")): entry for entries in coco.annotations.values() for entry in entries}
    if missing := [id for id in chosen if id not in captions]:
        raise TaskError(f"{coco.file} lacks {len(missing):,} of {len(chosen):,} captions: {listing(missing)}.")
    entries = [captions[id] for id in chosen]
    texts = [
        TextSample(id, text_in(f"{coco.file}: caption {id}", entry, "caption"))
        for id, entry in zip(chosen, entries, strict=True)
    ]
    return texts, [id_text(entry["image_id"]) for entry in entries]


def _images(coco: CocoFile, folder: Path, pictures: str, ids: list[str]) -> list[ImageSample]:
    top, names = inside(folder, pictures), {id_text(image["id"]): str(image["file_name"]) for image in coco.images}
    return [named_picture(f"{coco.file}: image {id}", top, pictures, names[id], "file_name") for id in ids]


def _mapping(file: Path, known: dict[str, int]) -> dict[str, list[str]]:
    """Return id to ids, all as text. Raises TaskError for another content, or a key that is not in the gallery."""
    content: Any = read_json_file(file)
    if not isinstance(content, dict) or not content:
        raise TaskError(f"{file} should map ids to lists of ids.")
    found: dict[str, list[str]] = {}
    for key, value in content.items():
        if not isinstance(value, list) or not value or not all(isinstance(id, int | str) for id in value):
            raise TaskError(f"{file}: {key[:40]!r} should have a list of ids, but has {str(value)[:40]!r}.")
        found[key] = list(dict.fromkeys(str(id) for id in value))
    if unknown := [key for key in found if key not in known]:
        raise TaskError(f"{file}: {len(unknown):,} ids are not in the gallery: {listing(unknown)}.")
    return found


def _refuse_contradictions(by_text: dict[str, list[str]], by_image: dict[str, list[str]]) -> None:
    """Raise TaskError if a caption and an image, both queries, are a true pair in one direction alone."""
    one = {(text, image) for text, images in by_text.items() for image in images if image in by_image}
    other = {(text, image) for image, texts in by_image.items() for text in texts if text in by_text}
    if different := sorted(one ^ other):
        shown = listing([f"caption {text} and image {image}" for text, image in different])
        raise TaskError(f"{len(different):,} pairs are true in one direction and not in the other: {shown}.")
