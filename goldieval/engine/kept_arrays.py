"""Large arrays by picture in the store: one file each, in a folder of everything that can change them.

Layout: ``<store>/<identity>/<content key>.safetensors``, where the identity covers model, device, versions and what the
family says about the arrays. They count towards the size limit of the store like embeddings, and are removed in the
same order. One task adds no more than the limit in all, and no more than half of what is free on the disk.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from goldieval.core.checksums import checksum
from goldieval.core.environment import device_identity, versions
from goldieval.core.files import atomic_write
from goldieval.engine.store import Store
from goldieval.families.kept import KeptArrays, NothingKept
from goldieval.models.adapter import ModelInfo

LOG = logging.getLogger("goldieval")
NAME = "array"
OF_FREE = 0.5  # of the free space of the disk, at most


class StoredArrays:
    """Arrays in a folder of the store; ``families.kept.KeptArrays`` documents the interface."""

    def __init__(self, folder: Path, limit_bytes: float) -> None:
        """Read nothing yet.

        Args:
            folder: where the arrays are; made when the first is added.
            limit_bytes: size of all arrays that are used; may be infinite.
        """
        self._folder, self._limit, self._lock = folder, limit_bytes, Lock()
        self._sizes: dict[str, int] = {}  # bytes of the arrays that were found or added
        self._full = False

    def has(self, key: str) -> bool:
        if key in self._sizes:
            return True
        size = self._checked_size(key)
        if size is None:
            return False
        with self._lock:
            self._sizes[key] = size
        return True

    def row(self, key: str, number: int) -> np.ndarray | None:
        if not self.has(key):
            return None
        try:
            with safe_open(str(self._file(key)), framework="numpy") as stored:
                row: np.ndarray = stored.get_slice(NAME)[number]
                return row
        except (OSError, SafetensorError):  # removed by another process to keep the limit
            with self._lock:
                self._sizes.pop(key, None)
            return None

    def add(self, key: str, array: np.ndarray) -> bool:
        with self._lock:
            self._full = self._full or sum(self._sizes.values()) + array.nbytes > self._limit
            if self._full:
                return False
            self._sizes[key] = array.nbytes
        arrays = {NAME: np.ascontiguousarray(array)}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            atomic_write(self._file(key), save(arrays, {"sha256": checksum(self._identity(key), arrays)}))
            return True
        except OSError as error:
            reason = error.strerror or error
            LOG.warning("%s: %s; nothing more is kept there, and the rest is computed again", self._folder, reason)
        with self._lock:
            self._sizes.pop(key, None)
            self._full = True
        return False

    def _checked_size(self, key: str) -> int | None:
        """Return the bytes of an array; None if it is missing, damaged, or another one."""
        file = self._file(key)
        try:
            with file.open("rb"):  # safetensors reports a file without read permission as missing
                pass
            with safe_open(str(file), framework="numpy") as stored:
                metadata, array = stored.metadata() or {}, stored.get_tensor(NAME)
            if metadata.get("sha256") == checksum(self._identity(key), {NAME: array}):
                os.utime(file)
                return int(array.nbytes)
        except OSError:
            return None
        except (SafetensorError, ValueError, TypeError) as error:
            LOG.debug("reading %s", file, exc_info=error)
        with suppress(OSError):
            file.unlink(missing_ok=True)
        return None

    def _file(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.safetensors"

    def _identity(self, key: str) -> str:
        return f"{self._folder.name}/{key}"


def open_arrays(store: Store | None, info: ModelInfo, device: str, settings: Mapping[str, Any]) -> KeptArrays:
    """Return the arrays of one kind and one model.

    Args:
        store: where they are kept; None to keep nothing.
        info: the description of the model.
        device: device of the model.
        settings: everything else that determines them besides the pictures, as values of JSON.
    """
    if store is None:
        return NothingKept()
    model = [info.fingerprint, info.image_identity, info.precision, device_identity(device)]
    identity = hashlib.sha256(json.dumps([model, settings, versions()], sort_keys=True).encode()).hexdigest()
    with suppress(OSError):
        store.root.mkdir(parents=True, exist_ok=True)
    try:
        free = OF_FREE * shutil.disk_usage(store.root).free
    except OSError:
        return NothingKept()
    return StoredArrays(store.root / f"arrays-{identity[:24]}", min(store.limit_gb * 1e9, free))
