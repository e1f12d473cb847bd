"""COCO caption annotations: one JSON with ``images`` and ``annotations``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from goldieval.core.reading import read_json
from goldieval.data.paths import inside
from goldieval.data.samples import Dataset, FileImage, ImageSample, Row, dataset_of
from goldieval.data.source import Source
from goldieval.errors import TaskError, listing


class CocoSource(Source):
    """``annotations`` is the captions file, ``images`` the folder with the pictures that it names."""

    reader: Literal["coco"]
    annotations: str
    images: str

    def needs(self) -> list[str]:
        return [self.annotations, self.images]

    def read(self, folder: Path) -> Dataset:
        file = inside(folder, self.annotations)
        images, captions = _load(file)
        pictures = inside(folder, self.images)
        by_image: dict[int, list[tuple[str, str]]] = {id: [] for id in images}
        strays = [str(caption["id"]) for caption in captions if caption["image_id"] not in by_image]
        if strays:
            raise TaskError(f"{file}: {len(strays):,} captions of images it does not list: {listing(strays)}.")
        for caption in sorted(captions, key=lambda caption: caption["id"]):
            by_image[caption["image_id"]].append((str(caption["id"]), str(caption["caption"] or "")))
        rows = [
            Row(ImageSample(name, FileImage(inside(pictures, name)), f"{self.images}/{name}"), captions=by_image[id])
            for id, name in sorted(images.items())
        ]
        return dataset_of(rows)


def _load(file: Path) -> tuple[dict[int, str], list[dict[str, Any]]]:
    try:
        content = read_json(file)
        images = [(image["id"], image["file_name"]) for image in content["images"]]
        captions = [{key: entry[key] for key in ("id", "image_id", "caption")} for entry in content["annotations"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TaskError(f"{file} is no COCO caption file: {type(error).__name__}: {error}") from error
    if len(dict(images)) != len(images):
        raise TaskError(f"{file}: duplicate image ids.")
    return dict(images), captions
