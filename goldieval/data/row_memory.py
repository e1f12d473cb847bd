"""What was computed of files, remembered in a folder that many processes and machines may share.

A group of files (those of one folder and of the folders beside it) has one file of rows, which is replaced atomically:
no database, so that it works on network file systems. It is only a memory: a damaged file counts as empty, and what a
concurrent writer overwrites is computed again.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from goldieval.core.files import atomic_write, exclusive_lock
from goldieval.core.reading import read_bytes
from goldieval.data.places import DIGEST_BYTES, digest

LOG = logging.getLogger("goldieval")

MAGIC = b"goldieval rows 1\n"
CHECKSUM_BYTES = 32
MOST_ROWS = 2_000_000  # of a group
MOST_ROW_BYTES = 256_000_000  # of a group
MOST_FOLDER_BYTES = 1_000_000_000

Rows = dict[bytes, bytes]  # digest of place and digest of identity, together, to what is remembered
_NAME = 2 * DIGEST_BYTES


class RowMemory:
    """Remembered values of one length, by the place of a content and the identity of its file.

    Attributes:
        folder: Where the rows are stored.
    """

    def __init__(self, folder: Path, kind: str, width: int) -> None:
        """Open a memory; nothing is read yet.

        Args:
            folder: Where the rows are stored.
            kind: What is remembered; part of the file names.
            width: Number of bytes of a value.
        """
        self.folder, self._kind, self._width = folder, kind, width

    def rows(self, group: str) -> Rows:
        """Return what is remembered of a group; nothing if its file is missing, unreadable or damaged."""
        file = self._file(group)
        try:
            content = read_bytes(file, len(MAGIC) + CHECKSUM_BYTES + MOST_ROW_BYTES)
        except OSError:
            return {}
        with suppress(OSError):  # read-only; the time of use decides what is removed first
            os.utime(file)
        head = len(MAGIC) + CHECKSUM_BYTES
        rows, length = memoryview(content)[head:], _NAME + self._width
        if content[:head] != self._head(rows) or len(rows) % length:
            LOG.debug("%s is damaged; its files are read again", file)
            return {}
        return {
            bytes(rows[at : at + _NAME]): bytes(rows[at + _NAME : at + length]) for at in range(0, len(rows), length)
        }

    def add(self, group: str, new: Mapping[bytes, bytes]) -> None:
        """Remember more of a group; a row replaces another one of its place. Without permission nothing happens."""
        file = self._file(group)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with exclusive_lock(file):
                atomic_write(file, self._bytes(_merged(self.rows(group), new)))
            self._trim()
        except OSError as error:
            LOG.debug("cannot remember hashes in %s: %s", file, error)

    def _file(self, group: str) -> Path:
        return self.folder / f"{digest(group, self._kind).hex()}.{self._kind}"

    def _bytes(self, rows: Rows) -> bytes:
        most = min(MOST_ROWS, MOST_ROW_BYTES // (_NAME + self._width))
        body = b"".join(name + value for name, value in list(rows.items())[-most:])
        return self._head(memoryview(body)) + body

    def _head(self, rows: memoryview) -> bytes:
        return MAGIC + hashlib.sha256(f"{self._kind} {self._width}\n".encode() + rows).digest()

    def _trim(self) -> None:
        """Remove the files that were not used for longest until the folder is within its limit."""
        files = [(file, file.stat()) for file in self.folder.iterdir() if file.suffix != ".lock"]
        excess = sum(about.st_size for _, about in files) - MOST_FOLDER_BYTES
        for file, about in sorted(files, key=lambda entry: entry[1].st_mtime):
            if excess <= 0:
                break
            file.unlink(missing_ok=True)
            excess -= about.st_size


def _merged(old: Rows, new: Mapping[bytes, bytes]) -> Rows:
    """Return old and new rows, the new ones last, with one row for each place."""
    replaced = {name[:DIGEST_BYTES] for name in new}
    return {name: value for name, value in old.items() if name[:DIGEST_BYTES] not in replaced} | dict(new)
