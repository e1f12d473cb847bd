"""Small pictures of samples for a page, where they lie as files under the data root."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from goldieval.data.paths import inside
from goldieval.errors import TaskError
from goldieval.record import Record
from goldieval.registry import Catalogue

SIDE = 160  # pixels
QUALITY = 70


class Thumbnails:
    """Finds and shrinks pictures; one that is not there, or is no picture, is left out of the page."""

    def __init__(self, root: Path, tasks_dir: Path | None = None) -> None:
        self._root, self._catalogue = root, Catalogue(tasks_dir)

    def folder(self, record: Record) -> Path | None:
        """Return where a task's pictures lie: as its card says where it is known, else by the source in the record."""
        task = self._catalogue.tasks.get(record.task.name)
        try:
            folder = task.folder(self._root) if task else inside(self._root, record.data.source)
        except TaskError:
            return None
        return folder if folder.is_dir() else None

    def data_uri(self, folder: Path | None, name: str) -> str:
        """Return a picture as a JPEG inside an address, or an empty string."""
        if folder is None or not name:
            return ""
        try:
            with Image.open(inside(folder, name)) as picture:
                picture.draft("RGB", (SIDE, SIDE))
                small = picture.convert("RGB")
        except (TaskError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return ""
        small.thumbnail((SIDE, SIDE))
        stream = io.BytesIO()
        small.save(stream, "JPEG", quality=QUALITY)
        return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
