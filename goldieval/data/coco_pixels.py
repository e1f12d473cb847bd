"""The mask of one image of COCO: a panoptic PNG, or outlines of its objects."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.core.limits import PICTURE_BYTES
from goldieval.core.reading import read_bytes
from goldieval.data.masks import Labels
from goldieval.data.outlines import filled
from goldieval.data.places import Place

NOTHING = 0  # raw value of a pixel without a category


@dataclass(frozen=True)
class PanopticMask:
    """A PNG whose colours are segment ids, with the raw value of each segment's category."""

    file: Path
    categories: tuple[tuple[int, int], ...]
    labels: Labels

    def key(self) -> str:
        return hashlib.sha256(read_bytes(self.file, PICTURE_BYTES) + self._about.encode()).hexdigest()

    def place(self) -> Place:
        return Place(self.file, self._about)

    @property
    def _about(self) -> str:
        return f"{self.categories}{self.labels.identity}"

    def read(self) -> np.ndarray:
        from goldieval.data.decode import open_image

        try:
            with open_image(read_bytes(self.file, PICTURE_BYTES)) as picture:
                colours = np.asarray(picture.convert("RGB")).astype(np.int64)
        except OSError as error:
            raise TaskError(f"mask {self.file} cannot be read: {error.strerror or error}") from None
        segments, where = np.unique(colours @ np.array([1, 1 << 8, 1 << 16]), return_inverse=True)
        known = {0: NOTHING} | dict(self.categories)
        strays = [str(segment) for segment in segments if int(segment) not in known]
        if strays:
            raise TaskError(f"mask {self.file}: segments missing from its annotation: {listing(strays)}.")
        raw = np.array([known[int(segment)] for segment in segments])[where].reshape(colours.shape[:2])
        return self.labels.classes(raw, str(self.file))


@dataclass(frozen=True)
class OutlineMask:
    """Outlines or run lengths of one image; larger ones are drawn first, so that small objects remain visible.

    Attributes:
        outlines: Raw value of the category and outline as JSON, for each annotation.
        size: Height and width of the image.
        labels: Meaning of raw values.
        where: Location for error messages.
    """

    outlines: tuple[tuple[int, str], ...]
    size: tuple[int, int]
    labels: Labels
    where: str

    def key(self) -> str:
        return hashlib.sha256(f"{self.outlines}{self.size}{self.labels.identity}".encode()).hexdigest()

    def place(self) -> None:
        """Return None: the outlines are in memory."""

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
        try:
            return filled(outline, self.size)
        except Exception as error:  # pycocotools raises various exceptions from C code
            raise TaskError(f"{self.where}: an outline cannot be filled: {error}.") from None
