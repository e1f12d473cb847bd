"""COCO's own masks: panoptic PNGs with their JSON, or things and stuff as outlines, through pycocotools."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from goldieval.core.reading import read_json
from goldieval.data.mask_files import LabelledSource
from goldieval.data.masks import OUTSIDE, VALUES, Labels, MaskSource, labels
from goldieval.data.paths import inside
from goldieval.data.samples import Dataset, FileImage, ImageSample
from goldieval.errors import TaskError, listing

NOTHING = 0  # COCO's category ids begin with 1


@dataclass(frozen=True)
class PanopticMask:
    """A PNG whose colours are segment ids, and the category of each segment."""

    file: Path
    categories: tuple[tuple[int, int], ...]
    labels: Labels

    def key(self) -> str:
        about = f"{self.categories}{self.labels.identity}".encode()
        return hashlib.sha256(self.file.read_bytes() + about).hexdigest()

    def read(self) -> np.ndarray:
        from PIL import Image

        try:
            with Image.open(self.file) as picture:
                colours = np.asarray(picture.convert("RGB")).astype(np.int64)
        except Exception as error:
            raise TaskError(f"mask {self.file} cannot be read: {type(error).__name__}: {error}") from None
        segments, where = np.unique(colours @ np.array([1, 1 << 8, 1 << 16]), return_inverse=True)
        known = dict(self.categories) | {0: NOTHING}
        strays = [str(segment) for segment in segments if int(segment) not in known]
        if strays:
            raise TaskError(f"mask {self.file}: segments that its annotation does not list: {listing(strays)}.")
        raw = np.array([known[int(segment)] for segment in segments])[where].reshape(colours.shape[:2])
        return self.labels.classes(raw, str(self.file))


@dataclass(frozen=True)
class OutlineMask:
    """Outlines or run lengths of one picture; the larger lie below, so that small things stay visible."""

    outlines: tuple[tuple[int, str], ...]
    size: tuple[int, int]
    labels: Labels
    where: str

    def key(self) -> str:
        return hashlib.sha256(f"{self.outlines}{self.size}{self.labels.identity}".encode()).hexdigest()

    def read(self) -> np.ndarray:
        drawn = sorted(
            ((category, self._filled(json.loads(outline))) for category, outline in self.outlines),
            key=lambda pair: -int(pair[1].sum()),
        )
        raw = np.full(self.size, NOTHING, dtype=np.int64)
        for category, inside_ in drawn:
            raw[inside_] = category
        return self.labels.classes(raw, self.where)

    def _filled(self, outline: Any) -> np.ndarray:
        from pycocotools import mask

        height, width = self.size
        try:
            if isinstance(outline, list):
                runs = mask.merge(mask.frPyObjects(outline, height, width))
            else:
                runs = mask.frPyObjects(outline, height, width) if isinstance(outline["counts"], list) else outline
            filled: np.ndarray = mask.decode(runs).astype(bool)
        except Exception as error:
            raise TaskError(f"{self.where}: an outline cannot be filled: {type(error).__name__}: {error}") from None
        if filled.shape != self.size:
            raise TaskError(f"{self.where}: run lengths for {filled.shape}, the picture is {self.size}.")
        return filled


class CocoMasksSource(LabelledSource):
    """``annotations``: panoptic, instances or stuff JSON.   images: folder.   masks: folder of panoptic PNGs.

    Classes are the file's categories in the order of their ids, unless ``values`` lists ids. Without a category a pixel
    is ignored, or under ``others: background`` of class 0. Things may overlap: the smaller one is on top.
    """

    reader: Literal["coco-masks"]
    annotations: str
    images: str
    masks: str = ""

    def needs(self) -> list[str]:
        return [name for name in (self.annotations, self.images, self.masks) if name]

    def read(self, folder: Path) -> Dataset:
        content, by_image = _read(inside(folder, self.annotations))
        categories = {int(entry["id"]): str(entry["name"]) for entry in content["categories"]}
        ids = [int(value) for value in self.values] or sorted(categories)
        if lacking := [str(id) for id in ids if id not in categories]:
            raise TaskError(f"{self.annotations} has no category {listing(lacking)}.")
        if too_large := [str(id) for id in ids if id >= VALUES]:
            raise TaskError(f"{self.annotations}: category ids above {VALUES - 1}: {listing(too_large)}.")
        behind = self.others == "background"
        meaning = labels(ids, [] if behind else [NOTHING], rest=0 if behind else OUTSIDE)
        names = [*(["background"] if behind else []), *(categories[id] for id in ids)]
        pictures = sorted(content["images"], key=lambda entry: entry["id"])
        return Dataset(
            images=[self._image(folder, entry) for entry in pictures],
            masks=[self._mask(folder, by_image[entry["id"]], entry, meaning) for entry in pictures],
            class_names=names,
        )

    def _image(self, folder: Path, entry: dict[str, Any]) -> ImageSample:
        path = f"{self.images}/{entry['file_name']}"
        return ImageSample(path, FileImage(inside(folder, path)), path)

    def _mask(self, folder: Path, found: list[dict[str, Any]], entry: dict[str, Any], meaning: Labels) -> MaskSource:
        where = f"{self.annotations}, image {entry['id']}"
        if self.masks:
            if len(found) != 1:
                raise TaskError(f"{where}: {len(found)} panoptic annotations instead of 1.")
            segments = tuple((int(part["id"]), int(part["category_id"])) for part in found[0]["segments_info"])
            file = inside(inside(folder, self.masks), found[0]["file_name"])
            if not file.is_file():
                raise TaskError(f"{where}: no mask {file}.")
            return PanopticMask(file, segments, meaning)
        outlines = tuple((int(part["category_id"]), json.dumps(part["segmentation"])) for part in found)
        return OutlineMask(outlines, (int(entry["height"]), int(entry["width"])), meaning, where)


def _read(file: Path) -> tuple[dict[str, Any], dict[int, list[dict[str, Any]]]]:
    """Return an annotation file and its annotations by image. pycocotools' own index knows no panoptic files."""
    try:
        content = read_json(file)
        by_image: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in content["images"]}
        strays = [str(entry["image_id"]) for entry in content["annotations"] if entry["image_id"] not in by_image]
        for entry in content["annotations"] if not strays else []:
            by_image[entry["image_id"]].append(entry)
        [(entry["id"], entry["name"]) for entry in content["categories"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TaskError(f"cannot read {file} as COCO annotations: {type(error).__name__}: {error}") from None
    if strays:
        raise TaskError(f"{file}: {len(strays):,} annotations of images it does not list: {listing(strays)}.")
    return content, by_image
