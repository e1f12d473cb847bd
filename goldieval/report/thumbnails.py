"""Thumbnails of samples for a page, opened by the reader of their task, up to a size that the page may have."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from goldieval.core.errors import GoldievalError, TaskError
from goldieval.data.image_source import FileImage, ImageSource
from goldieval.data.roots import inside
from goldieval.families.base import family_of
from goldieval.records.schema import Record
from goldieval.records.task_of import task_of
from goldieval.tasks.catalogue import Catalogue

if TYPE_CHECKING:
    from PIL import Image

    from goldieval.data.masks import MaskSource
    from goldieval.tasks.card import Task

SIDE = 160  # pixels
QUALITY = 70
MOST_BYTES = 8_000_000  # of all pictures of a page; each task has an equal part
NO_CARD = "the card of this task is not found, or was changed: give its folder as --tasks-dir"


class Thumbnails:
    """Opens the samples of tasks for one page."""

    def __init__(self, root: Path, tasks_dir: Path | None = None, tasks: int = 1) -> None:
        """Set where the data are.

        Args:
            root: folder of the data.
            tasks_dir: folder of the user's task cards.
            tasks: number of tasks that share ``MOST_BYTES``.
        """
        self._root, self._catalogue = root, Catalogue(tasks_dir)
        self._budget = MOST_BYTES // max(1, tasks)

    def of(self, record: Record) -> TaskPictures:
        """Return the pictures of a task: by the reader of its card, or by file name if there is no card."""
        task = task_of(record, self._catalogue)
        if task is None:
            return self._without_card(record)
        try:
            task = task.override(record.task.overrides)
            images, masks = _samples(task, task.folder(self._root), bool(record.classes))
        except GoldievalError as error:
            return TaskPictures(lambda id, path: None, self._budget, str(error))
        return TaskPictures(lambda id, path: images.get(id), self._budget, masks=masks)

    def _without_card(self, record: Record) -> TaskPictures:
        """Return the pictures by file name, if the record names a folder below that of the data."""
        try:
            folder = inside(self._root, record.data.source)
        except GoldievalError:
            return TaskPictures(lambda id, path: None, self._budget, NO_CARD)
        return TaskPictures(lambda id, path: FileImage(inside(folder, path)) if path else None, self._budget)


def _samples(task: Task, folder: Path, with_masks: bool) -> tuple[dict[str, ImageSource], dict[str, MaskSource] | None]:
    """Return the pictures of a task, also corrupted ones, and their masks if they are wanted, by id."""
    source = task.card.source
    if getattr(task.card.params, "corruptions", []):
        dataset, _ = source.prepared(folder)
        copies = family_of(task.card.family).enlarged(task, dataset)
        return {image.id: image.source for each in (dataset, copies) for image in each.images}, None
    if not with_masks:
        return {image.id: image.source for image in source.image_samples(folder)}, None
    dataset, _ = source.prepared(folder)
    images = {image.id: image.source for image in dataset.images}
    return images, dict(zip(images, dataset.masks or [], strict=False))


class TaskPictures:
    """The pictures of one task.

    Attributes:
        unavailable: why there are none; empty if there are.
        left_out: number of pictures that were left out because the page has its size.
        not_found: number of pictures that could not be opened.
    """

    def __init__(
        self,
        find: Callable[[str, str], ImageSource | None],
        budget: int,
        unavailable: str = "",
        masks: Mapping[str, MaskSource] | None = None,
    ) -> None:
        """Set how pictures are found.

        Args:
            find: from the id and the path of a picture to its source; None if it is not known.
            budget: number of bytes that may be used.
            unavailable: why there are no pictures.
            masks: true classes by id of the picture.
        """
        self._find, self._budget, self._masks = find, budget, masks
        self._made: dict[str, str] = {}
        self.unavailable, self.left_out, self.not_found = unavailable, 0, 0

    def address(self, id: str, path: str) -> str:
        """Return a data URL of a picture; empty where it is missing, unreadable, or too much for the page."""
        if id not in self._made:
            self._made[id] = self._shrunk(id, path)
        return self.encoded(self._made[id])

    def encoded(self, address: str) -> str:
        """Return a data URL if the page has room for it, else an empty text, and count it."""
        if len(address) > self._budget:
            self.left_out += 1
            return ""
        self._budget -= len(address)
        return address

    def open(self, id: str, path: str) -> Image.Image | None:
        """Return a picture; None, and counted, where it is missing or cannot be read."""
        try:
            source = self._find(id, path)
            picture = source.open() if source else None
        except (TaskError, OSError):
            picture = None
        self.not_found += picture is None and not self.unavailable
        return picture

    def truth(self, id: str) -> np.ndarray | str:
        """Return the true class of every pixel of a picture, shape (height, width), or the reason why it is missing."""
        if self._masks is None:
            return self.unavailable or NO_CARD
        try:
            return self._masks[id].read() if id in self._masks else "the data have no mask of this picture"
        except (TaskError, OSError) as error:
            return str(error)

    def _shrunk(self, id: str, path: str) -> str:
        picture = self.open(id, path)
        if picture is None:
            return ""
        picture.thumbnail((SIDE, SIDE))
        return jpeg_address(picture, QUALITY)


def jpeg_address(picture: Image.Image, quality: int) -> str:
    """Return a picture as a data URL."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
