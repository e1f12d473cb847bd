"""What a computation read: the identity of every file, so that its result can be used again while none has changed.

Functions that read files note them here before they read. Whoever keeps a result calls them inside ``recorded_reads``.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

RACY_NS = 2 * 10**9  # a file that changed so shortly before it was read may change again under the same times
MOST = 10_000  # files and folders of one computation

Function = TypeVar("Function", bound=Callable[..., Any])
State = list[int] | str  # of a file: size, times of content and of status in nanoseconds, inode


class Reads:
    """Files and folders that a computation read, in the state in which it found them.

    Attributes:
        files: State by path.
        folders: Hash of the names in a folder, by path.
        only_offline: Whether the network would have been asked for newer files, had it been allowed.
    """

    def __init__(self) -> None:
        self.files: dict[str, State] = {}
        self.folders: dict[str, str] = {}
        self.only_offline = False
        self._complete, self._racy = True, False

    def note(self, path: str, state: State) -> None:
        newest = max(state[1:3]) if isinstance(state, list) else 0
        self._racy = self._racy or newest > time.time_ns() - RACY_NS
        self._complete = self._complete and self.files.setdefault(path, state) == state and len(self.files) <= MOST

    def note_names(self, path: str, names: str) -> None:
        same = self.folders.setdefault(path, names) == names
        self._complete = self._complete and same and len(self.folders) <= MOST

    def give_up(self) -> None:
        """Note that something decides the result that is not known here: it cannot be used again."""
        self._complete = False

    @property
    def reusable(self) -> bool:
        """Whether all is known that was read, nothing changed meanwhile, and any later change will show."""
        return self._complete and not self._racy and is_unchanged(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Return what ``is_unchanged`` compares, as plain values."""
        return {"files": self.files, "folders": self.folders, "only_offline": self.only_offline}


_reads: ContextVar[Reads | None] = ContextVar("reads", default=None)


@contextmanager
def recorded_reads() -> Iterator[Reads]:
    """Record what is noted inside the block, in this thread."""
    reads = Reads()
    token = _reads.set(reads)
    try:
        yield reads
    finally:
        _reads.reset(token)


def notes_reads(function: Function) -> Function:
    """Mark a function as one that notes every file and folder that it reads, and whatever else decides its result."""
    function.notes_reads = True  # type: ignore[attr-defined]
    return function


def note_read(file: Path) -> None:
    """Note a file that is about to be read, or whose absence or kind matters."""
    if (reads := _reads.get()) is not None:
        path = _absolute(file)
        reads.note(path, _state(path))


def note_names(folder: Path) -> None:
    """Note a folder whose names decide what is read."""
    if (reads := _reads.get()) is not None:
        path = _absolute(folder)
        reads.note_names(path, _names(path))


def note_tree(folder: Path) -> None:
    """Note a folder of which any file, at any depth, may be read."""
    if (reads := _reads.get()) is None:
        return
    note_names(folder)
    for count, (place, folders, files) in enumerate(os.walk(folder)):
        if count > MOST or len(reads.files) > MOST:
            reads.give_up()
            return
        for name in folders:
            note_names(Path(place, name))
        for name in files:
            note_read(Path(place, name))


def note_network() -> None:
    """Note that newer files would be asked for on the network, where that is allowed."""
    if (reads := _reads.get()) is not None:
        reads.only_offline = True


def note_unknown() -> None:
    """Note that the result depends on something other than files, options and versions."""
    if (reads := _reads.get()) is not None:
        reads.give_up()


def is_unchanged(reads: Mapping[str, Any]) -> bool:
    """Return whether all files and folders of ``Reads.as_dict`` are as they were."""
    return all(_state(path) == state for path, state in reads["files"].items()) and all(
        _names(path) == names for path, names in reads["folders"].items()
    )


def _absolute(path: Path) -> str:
    return os.path.join(os.getcwd(), path)  # not normalised: ".." behind a link leads elsewhere


def _state(path: str) -> State:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return "absent"
    if stat.S_ISDIR(found.st_mode):
        return "folder"
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _names(path: str) -> str:
    """Return a hash of the names in a folder and of which are folders, or a word if it cannot be read."""
    try:
        with os.scandir(path) as entries:
            names = sorted(f"{entry.name}{'/' * entry.is_dir()}" for entry in entries)
    except (OSError, ValueError):
        return "unreadable"
    return hashlib.sha256("\0".join(names).encode(errors="surrogateescape")).hexdigest()
