"""Places of contents in files, and the identity of a file: what tells it apart from itself after a change."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

# A file that was changed so shortly before it was read may change again without a new time stamp.
RACY_NS = 2_000_000_000

DIGEST_BYTES = 16


@dataclass(frozen=True)
class Place:
    """Where a content is stored.

    Attributes:
        file: The file.
        part: What of the file it is, such as offset and size in a tar; empty for the whole file.
    """

    file: Path
    part: str = ""


class Identity(NamedTuple):
    """Identity of a file at one moment.

    Attributes:
        path: Its path without links.
        text: Path as given, path without links, size, times of change and inode. The number of the device is not part
            of it: it changes when a disk is mounted again.
    """

    path: str
    text: str


@dataclass
class Identities:
    """Identities of files as they are at one moment; each file is looked at once.

    Attributes:
        now_ns: Time at which the looking began, in nanoseconds since the epoch.
    """

    now_ns: int = field(default_factory=lambda: time.time_ns())
    _folders: dict[str, str] = field(default_factory=dict)  # path as given to path without links
    _found: dict[str, Identity | None] = field(default_factory=dict)

    def of(self, file: Path) -> Identity | None:
        """Return the identity of a file; None if it would not show every change.

        That is so for a file which is missing or not regular, and for one that was changed in the last two seconds or,
        by its clock, in the future.
        """
        name = str(file)
        if name not in self._found:
            self._found[name] = self._look(name)
        return self._found[name]

    def _look(self, file: str) -> Identity | None:
        try:
            path, about = self._resolved(file)
        except (OSError, ValueError):
            return None
        latest = max(about.st_mtime_ns, about.st_ctime_ns)
        if not stat.S_ISREG(about.st_mode) or latest > self.now_ns - RACY_NS:
            return None
        times = f"{about.st_size} {about.st_mtime_ns} {about.st_ctime_ns} {about.st_ino}"
        return Identity(path, f"{file}\0{path}\0{times}")

    def _resolved(self, path: str) -> tuple[str, os.stat_result]:
        """Return the path without links and the status of what it leads to, with one system call for most files."""
        about = os.lstat(path)
        if stat.S_ISLNK(about.st_mode):
            return os.path.realpath(path), os.stat(path)
        folder, name = os.path.split(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name), about


def digest(*texts: str) -> bytes:
    """Return a digest of texts, ``DIGEST_BYTES`` long."""
    return hashlib.blake2b("\0".join(texts).encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()
