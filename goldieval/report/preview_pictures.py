"""The pictures of a preview: a sample, and beside it its mask in the colours of the classes."""

from __future__ import annotations

import numpy as np
from PIL import Image

from goldieval.core.errors import TaskError
from goldieval.data.manage.preview.facts import Preview
from goldieval.data.manage.preview.samples import PreviewSample
from goldieval.data.masks import IGNORED
from goldieval.data.samples import ImageSample
from goldieval.data.small_maps import resized_map
from goldieval.families.class_overlay import overlay
from goldieval.families.region_sheet import DrawnBox, boxed
from goldieval.families.sheet_colours import sheet_colours
from goldieval.report.thumbnails import jpeg_address

SIDE = 240  # longer side of a picture, in pixels
QUALITY = 75
CLASSES_NAMED = 6


class SamplePictures:
    """Opens and shrinks the pictures of samples.

    Attributes:
        faults: Id of an image that cannot be shown, to the reason.
    """

    def __init__(self, preview: Preview, side: int = SIDE) -> None:
        """Choose the colours of the classes, the same for all samples.

        Args:
            preview: The preview.
            side: Longer side of a picture in pixels.
        """
        self._names = [each.name for each in preview.classes]
        shares = [each.share or 0.0 for each in preview.classes]
        self._colours = sheet_colours(sorted(range(len(shares)), key=lambda row: -shares[row]))
        self._side = side
        self.faults: dict[str, str] = {}

    def of(self, sample: PreviewSample) -> list[Image.Image]:
        """Return the picture and, with masks or boxes, the picture with these; nothing if it cannot be read."""
        pictures = self.picture(sample.image)
        if pictures and sample.boxes:
            return [pictures[0], self._with_boxes(sample)]
        classes = self._classes(sample)
        if not pictures or classes is None:
            return pictures
        small = resized_map(classes, *pictures[0].size)
        return [pictures[0], overlay(pictures[0], small, small == IGNORED, self._colours)]

    def _with_boxes(self, sample: PreviewSample) -> Image.Image:
        """Return the picture with its first boxes, numbered in the order of its texts."""
        picture = sample.image.source.open()
        boxes = [DrawnBox(corners, name, name, right=True) for corners, name in sample.boxes]
        return boxed(picture, boxes, self._side / max(picture.size))

    def picture(self, image: ImageSample) -> list[Image.Image]:
        """Return the picture in a list, or an empty list if it cannot be read."""
        try:
            picture = image.source.open()
        except (TaskError, OSError) as error:
            self.faults[image.id] = str(getattr(error, "strerror", "") or error)
            return []
        return [_fitted(picture, self._side)]

    def classes_of(self, sample: PreviewSample) -> list[tuple[str, str]]:
        """Return colour (CSS), and number and name, of the largest classes of a sample's mask."""
        if sample.mask is None:
            return []
        read = sample.mask.read()
        counts = np.bincount(read[read != IGNORED].ravel(), minlength=len(self._names))
        rows = [int(row) for row in np.argsort(-counts, kind="stable")[:CLASSES_NAMED] if counts[row]]
        return [(f"rgb{self._colours[row]}", f"{row} {self._names[row]}") for row in rows]

    def _classes(self, sample: PreviewSample) -> np.ndarray | None:
        """Return the classes of the mask at the size of the shown picture, by nearest neighbour."""
        if sample.mask is None:
            return None
        try:
            return sample.mask.read()
        except (TaskError, OSError) as error:
            self.faults[sample.image.id] = f"its mask cannot be read: {error}"
            return None


def _fitted(picture: Image.Image, side: int) -> Image.Image:
    """Return a picture whose longer side has that length; the pixels of a small picture stay visible."""
    scale = side / max(picture.size)
    method = Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.LANCZOS
    width, height = (max(1, round(length * scale)) for length in picture.size)
    return picture.resize((width, height), method)


def data_url(picture: Image.Image) -> str:
    """Return a picture as a JPEG in a data URL."""
    return jpeg_address(picture, QUALITY)
