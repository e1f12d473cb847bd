"""Results that are kept between runs: one small file each, by everything that decides the result."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from goldieval.core.files import atomic_write
from goldieval.core.limits import RECORD_BYTES
from goldieval.core.reading import read_json


class Memory:
    """A folder of kept results. Whatever is damaged, foreign or of another key counts as not there.

    Attributes:
        folder: The folder.
        most: Number of results that are kept; the ones that were not used for longest are removed.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self.folder, self.most = folder, most

    def recall(self, key: Any) -> Any:
        """Return the result of a key, or None.

        Args:
            key: Everything that decides the result, as values of JSON.
        """
        file = self._file(key)
        try:
            stored = read_json(file, RECORD_BYTES)
            content = stored["content"]
            sound = stored["sha256"] == _digest(content) and content["key"] == key
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        if not sound:
            return None
        with suppress(OSError):
            os.utime(file)
        return content["result"]

    def keep(self, key: Any, result: Any) -> None:
        """Keep a result; a folder that cannot be written keeps nothing, which costs time only."""
        content = {"key": key, "result": result}
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            atomic_write(self._file(key), json.dumps({"sha256": _digest(content), "content": content}).encode())
            self._remove_oldest()

    def forget(self, key: Any) -> None:
        """Remove the result of a key."""
        with suppress(OSError):
            self._file(key).unlink()

    def _file(self, key: Any) -> Path:
        return self.folder / f"{_digest(key)}.json"

    def _remove_oldest(self) -> None:
        files = list(self.folder.glob("*.json"))
        if len(files) <= self.most:
            return
        for file in sorted(files, key=_last_use)[: len(files) - self.most]:
            with suppress(OSError):
                file.unlink()


def _last_use(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:  # removed by another process
        return 0.0


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
