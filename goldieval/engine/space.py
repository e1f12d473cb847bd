"""All stored embeddings of one tower of one model, shared by processes.

Chunks that cannot be read or written (permissions, a read-only store) are kept in memory for the current run.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from goldieval.core.errors import listing
from goldieval.core.files import atomic_write
from goldieval.core.locks import lock_file
from goldieval.engine.chunks import Chunk, ChunkContent, DamagedChunkError, chunk_bytes, read_chunk

LOG = logging.getLogger("goldieval")
LONGEST_CHUNK_S = 1800.0
PERMISSION_ERRORS = {errno.EACCES, errno.EPERM, errno.EROFS}


@dataclass
class Space:
    """All stored embeddings of one tower of one model.

    Attributes:
        folder: where the chunks are stored.
        failed: content key to reason, of contents that could not be decoded.
        repaired: number of damaged chunks that were found.
        unusable: path to reason, of existing chunks that cannot be read, or of the folder if it cannot be written.
    """

    folder: Path
    failed: dict[str, str] = field(default_factory=dict)
    repaired: int = 0
    unusable: dict[Path, str] = field(default_factory=dict)
    _in_memory: dict[Path, ChunkContent] = field(default_factory=dict)
    _locations: dict[str, tuple[Path, int]] = field(default_factory=dict)  # content key to file and row
    _indexed: set[Path] = field(default_factory=set)
    _held_since: dict[Path, float] = field(default_factory=dict)

    def refresh(self) -> None:
        """Index the chunks that this process or another has written since the last call."""
        for file in sorted({*self.folder.glob("*.safetensors"), *self._in_memory} - self._indexed):
            if (content := self._load(file)) is not None:
                self._indexed.add(file)
                keys, failed, _ = content
                self.failed |= failed
                self._locations |= {key: (file, row) for row, key in enumerate(keys)}

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Return the distinct contents that are neither stored nor recorded as undecodable, in the order given."""
        return [key for key in dict.fromkeys(keys) if key not in self._locations and key not in self.failed]

    def has(self, chunk: Chunk) -> bool:
        """Return whether a chunk can be read now."""
        return self._load(self._file(chunk)) is not None

    def content(self, chunk: Chunk) -> ChunkContent | None:
        """Return the content of a chunk; None if it is not stored."""
        return self._load(self._file(chunk))

    def keep(self, chunk: Chunk, content: ChunkContent) -> None:
        """Keep a chunk in memory for the current run."""
        self._in_memory[self._file(chunk)] = content
        self._indexed.discard(self._file(chunk))

    def gather(self, keys: Sequence[str]) -> np.ndarray:
        """Return stored embeddings in the order of ``keys``, shape (keys, dim), float32.

        Raises:
            KeyError: a content is not stored, or its chunk turns out to be damaged.
        """
        by_file: dict[Path, list[int]] = {}
        for position, key in enumerate(keys):
            by_file.setdefault(self._locations[key][0], []).append(position)
        result: np.ndarray | None = None
        for file, positions in by_file.items():
            content = self._load(file)
            if content is None:
                self._remove_from_index(file)
                raise KeyError(str(file))
            with suppress(OSError):  # another user owns the store, or trimming has just removed the file
                os.utime(file)
            array = content[2]
            result = np.empty((len(keys), array.shape[1]), dtype=np.float32) if result is None else result
            result[positions] = array[[self._locations[keys[position]][1] for position in positions]]
        return np.empty((0, 0), dtype=np.float32) if result is None else result

    def write(self, chunk: Chunk, keys: Sequence[str], embeddings: np.ndarray, failed: dict[str, str]) -> None:
        """Store a chunk atomically.

        It is kept in memory for this run instead where permissions do not allow writing it, or reading the file that
        exists; so are embeddings with NaN or infinite values, since a transient fault or a bug of the adapter may have
        caused them.

        Args:
            chunk: names the file.
            keys: contents that were encoded.
            embeddings: one row per key, shape (keys, dim).
            failed: content key to reason, of contents that cannot be decoded.

        Raises:
            OSError: writing failed for a reason other than permissions, such as a full disk.
        """
        file, array = self._file(chunk), np.ascontiguousarray(embeddings, dtype=np.float32)
        self._indexed.discard(file)
        finite = bool(np.isfinite(array).all())
        if finite and file not in self.unusable and self.folder not in self.unusable:
            try:
                atomic_write(file, chunk_bytes(file, (list(keys), failed, array)))
                return
            except OSError as error:
                if error.errno not in PERMISSION_ERRORS:
                    raise
                self.unusable[self.folder] = f"cannot be written: {error.strerror or error}"
        self._in_memory[file] = list(keys), dict(failed), array

    @contextmanager
    def claim(self, chunk: Chunk, wait_s: float = 0) -> Iterator[bool]:
        """Lock a chunk for encoding; the lock is released when its owner exits or dies.

        On a file system without locks two processes may encode the same chunk; their results are identical. So they may
        after ``LONGEST_CHUNK_S``, since the owner may be on a machine that is gone.

        Args:
            chunk: the chunk to encode.
            wait_s: time to wait for another process to release the chunk, in seconds.

        Yields:
            False if another process has locked the chunk.
        """
        lock = self._file(chunk).with_suffix(".lock")
        with lock_file(lock, wait_s) as acquired:
            yield acquired or self._is_abandoned(lock)

    def _is_abandoned(self, lock: Path) -> bool:
        """Return whether another process has held a lock for longer than any chunk takes; say so once."""
        seen = self._held_since.setdefault(lock, time.monotonic())
        if time.monotonic() - seen < LONGEST_CHUNK_S:
            return False
        LOG.warning("%s has been held for %g s; its chunk is encoded here as well", lock, LONGEST_CHUNK_S)
        return True

    def _file(self, chunk: Chunk) -> Path:
        return self.folder / f"{chunk.name}.safetensors"

    @property
    def notes(self) -> list[str]:
        """Problems of this store that the user should know about, one line each."""
        lines = []
        if self.repaired:
            lines.append(
                f"{self.repaired:,} damaged chunks of the embedding store were found and encoded again "
                "(a flipped bit, another model's, or written by an older goldieval)"
            )
        if self._in_memory and self.unusable:
            shown = {self.folder: self.folder.parent}
            problems = listing([f"{shown.get(path, path)} {reason}" for path, reason in self.unusable.items()], most=1)
            lines.append(
                f"embedding store: {problems}; missing embeddings are computed for this run only. "
                "Change the permissions, or set $GOLDIEVAL_STORE to another folder."
            )
        return lines

    def rate(self) -> float:
        """Return the number of contents per second that the last encoding here reached; 0 if there was none."""
        try:
            return float((self.folder / "rate.txt").read_text())
        except (OSError, ValueError):
            return 0.0

    def write_rate(self, rate: float) -> None:
        """Store the number of contents encoded per second, from which the next plan estimates its time."""
        with suppress(OSError):  # only an estimate
            atomic_write(self.folder / "rate.txt", f"{rate:.3f}\n".encode())

    def sweep_locks(self) -> None:
        """Remove the lock files of chunks that are stored."""
        for lock in self.folder.glob("*.lock"):
            if lock.with_suffix(".safetensors").exists():
                with suppress(OSError):
                    lock.unlink(missing_ok=True)

    def _load(self, file: Path) -> ChunkContent | None:
        """Read a chunk; return None if it is missing, unreadable or damaged. A damaged file is removed."""
        if file in self._in_memory:
            return self._in_memory[file]
        try:
            content = read_chunk(file)
            self.unusable.pop(file, None)
            return content
        except FileNotFoundError:  # removed by another process
            return None
        except OSError as error:
            if error.errno == errno.ESTALE:  # removed by another machine while it was read
                return None
            self.unusable[file] = f"cannot be read: {error.strerror or error}"
            return None
        except DamagedChunkError:
            self._remove_damaged(file)
            return None

    def _remove_damaged(self, file: Path) -> None:
        self.repaired += file not in self.unusable
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            self.unusable[file] = f"is damaged and cannot be removed: {error.strerror or error}"

    def _remove_from_index(self, file: Path) -> None:
        self._indexed.discard(file)
        self._locations = {key: location for key, location in self._locations.items() if location[0] != file}
