"""Tars that are read in place: a few stay open, however many there are, and each must be what its index describes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from goldieval.core.errors import first_line
from goldieval.core.limits import PICTURE_BYTES
from goldieval.core.reading import check_regular
from goldieval.goldiclip.data.index_file import Stamp

MOST_OPEN = 64  # of a process; a block of samples lies in about thirty


class BrokenShardError(Exception):
    """A shard vanished, was replaced, or cannot be read."""


class OpenTars:
    """Reads members of tars by offset. Nothing is shared with other processes, which open their own."""

    def __init__(self, stamps: Sequence[Stamp]) -> None:
        """Open nothing yet.

        Args:
            stamps: State of each tar when its headers were read.
        """
        self._stamps = stamps
        self._open: dict[int, BinaryIO] = {}  # from the least to the most recently used
        self._process = os.getpid()

    def read(self, number: int, offset: int, size: int) -> bytes:
        """Return bytes of a tar.

        Args:
            number: Number of the tar.
            offset: First byte.
            size: Number of bytes.

        Raises:
            BrokenShardError: The tar is no longer what it was, or cannot be read.
            OSError: The size is more than an image or text may have.
        """
        if not 0 <= size <= PICTURE_BYTES:
            raise OSError(f"it has {size:,} bytes, more than an image or text may have")
        try:
            stream = self._stream(number)
            stream.seek(offset)
            data = stream.read(size)
        except OSError as error:
            self._close(number)
            raise BrokenShardError(error.strerror or first_line(error)) from error
        if len(data) < size:
            self._close(number)
            raise BrokenShardError("it ends in the middle of a sample")
        return data

    def _stream(self, number: int) -> BinaryIO:
        if self._process != os.getpid():  # forked: the place in a file would be shared with the other process
            self._open, self._process = {}, os.getpid()
        stream = self._open.pop(number, None)
        if stream is None:
            if len(self._open) >= MOST_OPEN:
                self._close(next(iter(self._open)))
            stream = _opened(self._stamps[number])
        self._open[number] = stream
        return stream

    def _close(self, number: int) -> None:
        stream = self._open.pop(number, None)
        if stream is not None:
            stream.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"_stamps": self._stamps, "_open": {}, "_process": 0}


def _opened(stamp: Stamp) -> BinaryIO:
    file = Path(stamp.shard)
    check_regular(file)
    stream = file.open("rb")
    now = os.fstat(stream.fileno())
    if (now.st_size, now.st_mtime_ns) != (stamp.size, stamp.changed):
        stream.close()
        raise BrokenShardError("it has changed since its headers were read")
    return stream
