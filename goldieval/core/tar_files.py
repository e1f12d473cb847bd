"""Tar files of unknown origin. tarfile reads headers into memory completely, so their size is limited here."""

from __future__ import annotations

import os
import tarfile
from typing import Any

from goldieval.core.limits import HEADER_BYTES


class BoundedStream:
    """Input stream for tarfile that refuses oversized headers and limits how much is unpacked to reach a member."""

    def __init__(self, stream: Any, most: int) -> None:
        self._stream, self._most = stream, most
        self.seekable, self.tell = stream.seekable, stream.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return bytes(self._stream.read(size))

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_SET and place > self._most + 100 * HEADER_BYTES:
            raise tarfile.ReadError(f"a member behind {place:,} bytes")
        return int(self._stream.seek(place, whence))


def open_tar(stream: BoundedStream) -> tarfile.TarFile:
    """Open an unpacked tar for reading. Raises tarfile.TarError."""
    return tarfile.open(fileobj=stream, mode="r:")  # type: ignore[call-overload,no-any-return]
