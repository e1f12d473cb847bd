"""Finished parts of tasks whose evidence is not kept as embeddings: segmentations and answers.

A run that is stopped or killed among thousands of pictures continues after those that are finished. Layout:
``<store>/parts/<identity>/<digest>.safetensors``, where the identity covers everything that can change a part (model,
card, data, scoring mode, batch size, versions), and ``files/`` beside them for what a family keeps in its own form. The
folder is removed when the record of the task is written.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from goldieval.core.checksums import checksum
from goldieval.core.environment import device_identity, versions
from goldieval.core.files import atomic_write
from goldieval.core.temporary import sweep
from goldieval.data.roots import store_root
from goldieval.engine.load import LoadedTask
from goldieval.families.finished import NoParts, Parts
from goldieval.models.adapter import ModelInfo

LOG = logging.getLogger("goldieval")
FLUSH_S = 60.0  # what a killed run loses at most
MOST_BYTES = 2_000_000_000  # of the parts of one task
UNUSED_S = 30 * 86_400.0  # after which the parts of a task that was never finished are removed


class StoredParts:
    """The finished parts of one task with one model. Several processes may add to them at the same time."""

    def __init__(self, folder: Path) -> None:
        """Read nothing yet.

        Args:
            folder: where the parts are stored; made when the first is.
        """
        self._folder, self._flushed, self._bytes = folder, time.monotonic(), 0
        self.folder: Path | None = folder / "files"
        self._found: dict[int, dict[str, np.ndarray]] | None = None
        self._new: dict[int, dict[str, np.ndarray]] = {}

    def get(self, number: int) -> dict[str, np.ndarray] | None:
        if self._found is None:
            self._found = self._read_all()
        return self._found.get(number)

    def add(self, number: int, arrays: Mapping[str, np.ndarray]) -> None:
        self._new[number] = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        if time.monotonic() - self._flushed >= FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Write what was added since the last time; a failure is logged, since it costs only time later."""
        new, self._new, self._flushed = self._new, {}, time.monotonic()
        size = sum(array.nbytes for arrays in new.values() for array in arrays.values())
        if not new or self._bytes + size > MOST_BYTES:
            return
        self._bytes += size
        arrays = {f"{number}/{name}": array for number, part in new.items() for name, array in part.items()}
        sha256 = checksum(self._folder.name, arrays)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            atomic_write(self._folder / f"{sha256[:32]}.safetensors", save(arrays, {"sha256": sha256}))
        except OSError as error:
            reason = error.strerror or error
            LOG.warning("finished parts of this task cannot be kept in %s: %s", self._folder, reason)

    def remove(self) -> None:
        """Remove all parts: the record is written."""
        shutil.rmtree(self._folder, ignore_errors=True)
        with suppress(OSError):  # of other tasks
            self._folder.parent.rmdir()

    def _read_all(self) -> dict[int, dict[str, np.ndarray]]:
        sweep(self._folder)
        found: dict[int, dict[str, np.ndarray]] = {}
        for file in sorted(self._folder.glob("*.safetensors")):
            for name, array in _arrays(file, self._folder.name).items():
                number, _, part = name.partition("/")
                found.setdefault(int(number), {})[part] = array
        return found


def open_parts(cache: bool, info: ModelInfo, loaded: LoadedTask, mode: str, device: str, batch_size: int) -> Parts:
    """Return the finished parts of a task with a model, as far as they are kept.

    Args:
        cache: whether anything is kept.
        info: the description of the model.
        loaded: the task with its data.
        mode: the resolved scoring mode.
        device: device of the model.
        batch_size: number of pictures or questions per batch.
    """
    if not cache:
        return NoParts()
    root = store_root() / "parts"
    for folder in root.glob("*/"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > UNUSED_S:
                shutil.rmtree(folder, ignore_errors=True)
    model = [info.fingerprint, info.image_identity, info.text_identity, info.precision, device_identity(device)]
    task = [loaded.prepared.task.hash, loaded.sha256, mode, batch_size]
    identity = hashlib.sha256(json.dumps([model, task, versions()], sort_keys=True).encode())
    return StoredParts(root / identity.hexdigest()[:32])


def _arrays(file: Path, identity: str) -> dict[str, np.ndarray]:
    """Read a file of parts; return nothing, and remove it, if it is damaged or belongs to another task."""
    try:
        with safe_open(str(file), framework="numpy") as stored:
            names = list(stored.keys())
            metadata, arrays = stored.metadata() or {}, {name: stored.get_tensor(name) for name in names}
        if metadata.get("sha256") == checksum(identity, arrays) and all(n.split("/")[0].isdecimal() for n in names):
            return arrays
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        LOG.debug("reading %s", file, exc_info=error)
    with suppress(OSError):
        file.unlink(missing_ok=True)
    return {}
