"""Thumbnails of samples for a page, opened by the reader of their task."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from pathlib import Path

from goldieval.comparison.flips import Flip
from goldieval.core.errors import GoldievalError, TaskError
from goldieval.data.image_source import FileImage, ImageSource
from goldieval.data.roots import inside
from goldieval.records.schema import Record
from goldieval.tasks.catalogue import Catalogue

SIDE = 160  # pixels
QUALITY = 70
Finder = Callable[[Flip], ImageSource | None]


class Thumbnails:
    """Opens and shrinks pictures; one that is missing or cannot be read is left out of the page."""

    def __init__(self, root: Path, tasks_dir: Path | None = None) -> None:
        self._root, self._catalogue = root, Catalogue(tasks_dir)

    def of(self, record: Record, flips: Sequence[Flip]) -> tuple[list[str], str]:
        """Return a data URL of each flip's picture, empty where it is missing, and the reason why all are."""
        if not flips:
            return [], ""
        try:
            find = self._finder(record)
        except GoldievalError as error:
            return [""] * len(flips), str(error)
        return [_address(find, flip) for flip in flips], ""

    def _finder(self, record: Record) -> Finder:
        """Return a function from a flip to its picture: by the reader of the card, else by file name."""
        task = self._catalogue.tasks.get(record.task.name)
        if task is None:
            folder = inside(self._root, record.data.source)
            return lambda flip: FileImage(inside(folder, flip.image)) if flip.image else None
        sources = {image.id: image.source for image in task.card.source.image_samples(task.folder(self._root))}
        return lambda flip: sources.get(flip.picture)


def _address(find: Finder, flip: Flip) -> str:
    try:
        source = find(flip)
        small = source.open() if source else None
    except (TaskError, OSError):
        return ""
    if small is None:
        return ""
    small.thumbnail((SIDE, SIDE))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
