"""A content-addressed store of embeddings: fixed chunks, written whole or not at all, shared by processes.

Layout: ``<root>/<tower identity>/<chunk>.safetensors``. The identity covers all that can change an embedding besides
the content (weights, transform, tokenizer, dtype); a chunk is named after the contents that it holds. Its checksum
covers both names: a chunk that was renamed, or comes from another model, is as damaged as one with a flipped bit.

Chunks that cannot be read or kept (permissions, a read-only store) are held in memory for the run that made them.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from goldieval.core.checksums import checksum
from goldieval.core.errors import GoldievalError, listing
from goldieval.core.files import atomic_write, check_writable
from goldieval.core.locks import lock_file
from goldieval.core.temporary import sweep, temporary_folder
from goldieval.data.roots import store_root

DEFAULT_LIMIT_GB = 20.0
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


Content = tuple[list[str], dict[str, str], np.ndarray]  # keys, failed, embeddings


@dataclass(frozen=True)
class Chunk:
    """Contents that are encoded together, always in this order: the unit of the store."""

    keys: tuple[str, ...]

    @property
    def name(self) -> str:
        return hashlib.sha256("\n".join(self.keys).encode()).hexdigest()[:32]


def chunks_of(keys: Sequence[str], size: int) -> list[Chunk]:
    """Cut sorted contents into chunks.

    Whole chunks that are already stored drop out of ``keys`` without moving the borders of the others, so that a
    resumed run, or a second process, repeats exactly the same batches.
    """
    return [Chunk(tuple(keys[start : start + size])) for start in range(0, len(keys), size)]


@dataclass
class Space:
    """All stored embeddings of one tower of one model.

    failed: contents that could not be decoded, with the reason.   repaired: damaged chunks that were found.
    forbidden: why chunks that are there, or the folder, cannot be used, by their path.
    """

    folder: Path
    failed: dict[str, str] = field(default_factory=dict)
    repaired: int = 0
    forbidden: dict[Path, str] = field(default_factory=dict)
    _held: dict[Path, Content] = field(default_factory=dict)
    _place: dict[str, tuple[Path, int]] = field(default_factory=dict)
    _known: set[Path] = field(default_factory=set)

    def refresh(self) -> None:
        """Take up chunks that were written, by this process or another, since the last look."""
        for file in sorted({*self.folder.glob("*.safetensors"), *self._held} - self._known):
            if (content := self._load(file)) is not None:
                self._known.add(file)
                keys, failed, _ = content
                self.failed |= failed
                self._place |= {key: (file, row) for row, key in enumerate(keys)}

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Return the distinct contents that are neither stored nor known to be unreadable, in the order given."""
        return [key for key in dict.fromkeys(keys) if key not in self._place and key not in self.failed]

    def holds(self, chunk: Chunk) -> bool:
        """Whether a chunk can be read now."""
        return self._load(self._file(chunk)) is not None

    def gather(self, keys: Sequence[str]) -> np.ndarray:
        """Return stored embeddings in the order of ``keys``, shape (keys, dim), float32.

        Raises:
            KeyError: a content that is not stored; chunks found damaged now are among these.
        """
        by_file: dict[Path, list[int]] = {}
        for position, key in enumerate(keys):
            by_file.setdefault(self._place[key][0], []).append(position)
        result: np.ndarray | None = None
        for file, positions in by_file.items():
            content = self._load(file)
            if content is None:
                self._forget(file)
                raise KeyError(str(file))
            with suppress(OSError):  # a store that others own, or that trimming has come to
                os.utime(file)
            array = content[2]
            result = np.empty((len(keys), array.shape[1]), dtype=np.float32) if result is None else result
            result[positions] = array[[self._place[keys[position]][1] for position in positions]]
        return np.empty((0, 0), dtype=np.float32) if result is None else result

    def write(self, chunk: Chunk, keys: Sequence[str], embeddings: np.ndarray, failed: dict[str, str]) -> None:
        """Store a chunk's embeddings, shape (keys, dim), and which of its contents failed; atomic.

        Where this user may not write, or not read the chunk that is there, they are held in memory for this run; so
        are embeddings with NaN or infinite values, which a passing fault or a bug of the adapter may have made.

        Raises:
            OSError: for other reasons, such as a full disk.
        """
        file, array = self._file(chunk), np.ascontiguousarray(embeddings, dtype=np.float32)
        about = {"keys": "\n".join(keys), "failed": json.dumps(failed)}
        about["sha256"] = _checksum(file, array, about)
        self._known.discard(file)
        sound = bool(np.isfinite(array).all())
        if sound and file not in self.forbidden and self.folder not in self.forbidden:
            try:
                atomic_write(file, save({"embeddings": array}, metadata=about))
                return
            except OSError as error:
                if error.errno not in FORBIDDEN:
                    raise
                self.forbidden[self.folder] = f"cannot be written: {error.strerror or error}"
        self._held[file] = list(keys), dict(failed), array

    @contextmanager
    def claim(self, chunk: Chunk, wait_s: float = 0) -> Iterator[bool]:
        """Hold a chunk for encoding; yields False if another process holds it. Freed when the holder dies.

        Where the file system has no locks two processes may encode the same chunk, to the same bits.
        """
        with lock_file(self._file(chunk).with_suffix(".lock"), wait_s) as ours:
            yield ours

    def _file(self, chunk: Chunk) -> Path:
        return self.folder / f"{chunk.name}.safetensors"

    @property
    def notes(self) -> list[str]:
        """What the user should know of the state of this store, one line each; empty where all is well."""
        lines = []
        if self.repaired:
            lines.append(
                f"{self.repaired:,} damaged chunks of the embedding store were found and encoded again "
                "(a flipped bit, another model's, or written by an older goldieval)"
            )
        if self._held and self.forbidden:
            where = {self.folder: self.folder.parent}
            named = listing([f"{where.get(path, path)} {why}" for path, why in self.forbidden.items()], most=1)
            lines.append(
                f"embedding store: {named}; what is lacking is encoded for this run alone. "
                "Change the permissions, or name another folder in $GOLDIEVAL_STORE."
            )
        return lines

    def rate(self) -> float:
        """Return the contents per second that encoding reached here last time, or 0 if it never ran."""
        try:
            return float((self.folder / "rate.txt").read_text())
        except (OSError, ValueError):
            return 0.0

    def note_rate(self, rate: float) -> None:
        with suppress(OSError):  # a convenience
            atomic_write(self.folder / "rate.txt", f"{rate:.3f}\n".encode())

    def sweep_locks(self) -> None:
        """Remove the lock files of chunks that are stored."""
        for lock in self.folder.glob("*.lock"):
            if lock.with_suffix(".safetensors").exists():
                with suppress(OSError):
                    lock.unlink(missing_ok=True)

    def _load(self, file: Path) -> Content | None:
        """Read a chunk, or return None if it is not there, cannot be read, or is damaged; the latter is removed."""
        if file in self._held:
            return self._held[file]
        try:
            with file.open("rb"):  # safetensors says that a file which may not be read is not there
                pass
            with safe_open(str(file), framework="numpy") as stored:
                about, array = stored.metadata(), stored.get_tensor("embeddings")
            if about["sha256"] != _checksum(file, array, about):
                raise ValueError("checksum")
            self.forbidden.pop(file, None)
            return about["keys"].split("\n") if about["keys"] else [], json.loads(about["failed"]), array
        except FileNotFoundError:  # taken away by another process
            return None
        except OSError as error:
            self.forbidden[file] = f"cannot be read: {error.strerror or error}"
            return None
        except (SafetensorError, KeyError, ValueError, TypeError):
            self._remove_damaged(file)
            return None

    def _remove_damaged(self, file: Path) -> None:
        self.repaired += file not in self.forbidden
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            self.forbidden[file] = f"is damaged and cannot be removed: {error.strerror or error}"

    def _forget(self, file: Path) -> None:
        self._known.discard(file)
        self._place = {key: place for key, place in self._place.items() if place[0] != file}


class Store:
    """The folder of all spaces, with a size limit."""

    def __init__(self, root: Path, limit_gb: float = DEFAULT_LIMIT_GB) -> None:
        self.root, self.limit_gb = root, limit_gb

    def space(self, identity: str) -> Space:
        """Open the space of one tower identity; one that may be read alone serves what it has.

        Raises:
            GoldievalError: the store's folder cannot be made or written.
        """
        space = Space(self.root / _folder_name(identity))
        try:
            check_writable(space.folder)
            sweep(space.folder)
        except OSError as error:
            if error.errno not in FORBIDDEN or not self.root.is_dir():
                raise GoldievalError(
                    f"cannot write to the embedding store {self.root}: {error.strerror or error}. "
                    "Name another folder in $GOLDIEVAL_STORE, or use --no-cache."
                ) from error
            space.forbidden[space.folder] = f"cannot be written: {error.strerror or error}"
        space.refresh()
        return space

    def trim(self) -> int:
        """Remove the chunks that were not used for longest until the limit is kept; return the bytes freed."""
        found = [(file, stat) for file in self.root.glob("*/*.safetensors") if (stat := _stat(file)) is not None]
        sweep(*self.root.glob("*/"))
        if math.isinf(self.limit_gb):
            return 0
        excess = sum(stat.st_size for _, stat in found) - int(self.limit_gb * 1e9)
        freed = 0
        for file, stat in sorted(found, key=lambda entry: entry[1].st_mtime):
            if freed >= excess:
                break
            with suppress(OSError):  # another user's
                file.unlink(missing_ok=True)
                freed += stat.st_size
        return freed


def _folder_name(identity: str) -> str:
    """Return the identity where it is a plain, short name; else the first half of a SHA-256: of it, or it itself."""
    if re.fullmatch("[A-Za-z0-9_-]{1,32}", identity):
        return identity
    digest = identity if re.fullmatch("[0-9a-f]{64}", identity) else hashlib.sha256(identity.encode()).hexdigest()
    return digest[:32]


def _stat(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except OSError:
        return None


@contextmanager
def open_store(cache: bool = True) -> Iterator[Store]:
    """The user's store, or without ``cache`` an empty one that is gone afterwards."""
    if cache:
        store = Store(store_root(), _limit())
        yield store
        store.trim()
        return
    scratch = Path(tempfile.gettempdir())
    sweep(scratch)  # stores of runs that were killed
    with temporary_folder(scratch, "goldieval") as folder:
        yield Store(folder)


def _checksum(file: Path, array: np.ndarray, about: dict[str, str]) -> str:
    """SHA-256 over identity, chunk, contents' keys, failures and values: whatever changed, it shows."""
    name = json.dumps([file.parent.name, file.stem, about["keys"], about["failed"]])
    return checksum(name, {"embeddings": np.ascontiguousarray(array)})


def _limit() -> float:
    text = os.environ.get("GOLDIEVAL_STORE_GB", "")
    try:
        limit = float(text) if text else DEFAULT_LIMIT_GB
    except ValueError:
        limit = math.nan
    if not limit >= 0:
        raise GoldievalError(f"$GOLDIEVAL_STORE_GB should be a number of gigabytes (or inf), but is {text!r}.")
    return limit
