"""Connections to one shard: over HTTP, through fsspec, or to the output of a command."""

from __future__ import annotations

import base64
import http.client
import os
import re
import signal
import subprocess
import tempfile
import urllib.parse
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from goldieval.core.errors import first_line
from goldieval.data.fetch.connection import open_connection
from goldieval.data.fetch.file_request import FileRequest
from goldieval.data.fetch.retry import Refused, Transient
from goldieval.goldiclip.data.addresses import PIPE, SCHEME
from goldieval.goldiclip.data.stream.faults import PassingError, UnreadableError

MESSAGE_BYTES = 2_000  # of what a command says
CONTENT_RANGE = re.compile(r"\s*bytes\s+(\d{1,18})-", re.IGNORECASE)


class Connection(Protocol):
    """An open shard."""

    def read(self, size: int) -> bytes:
        """Return the next bytes, none at the end.

        Raises:
            PassingError: The connection broke.
            UnreadableError: What there is can never be read.
        """

    def close(self) -> None:
        """End the connection, also from another thread than that which reads."""


def connect(address: str, offset: int) -> Connection:
    """Open a shard.

    Args:
        address: Address of any kind, or the path of a file.
        offset: First byte that is wanted.

    Raises:
        PassingError: There is no connection now.
        UnreadableError: There is no such shard, or it may not be read.
    """
    if address.startswith(PIPE):
        return _Command(address, offset)
    scheme = SCHEME.match(address)
    is_web = scheme is not None and scheme[0].lower() in ("http://", "https://")
    return _Web(address, offset) if is_web else _Stored(address, offset)


class _Web:
    def __init__(self, address: str, offset: int) -> None:
        url, headers = _request(address)
        if offset:
            headers["Range"] = f"bytes={offset}-"
        try:
            self._response = open_connection(FileRequest("", url, headers=headers), {}, None)
        except Transient as error:
            raise PassingError(str(error), error.after) from error
        except (Refused, ValueError, http.client.HTTPException) as error:
            raise UnreadableError(address, _refusal(error)) from error
        length = self._response.headers.get("content-length") or ""
        self._missing = int(length) if length.isdigit() else None
        begin = self._begin(offset)
        if begin > offset:
            self.close()
            raise PassingError("the server sends another part of the file than it was asked for")
        _skip(self, offset - begin)

    def _begin(self, offset: int) -> int:
        """Return the place of the first byte that comes, which is not always that which was asked for."""
        if self._response.status != 206:
            return 0  # the server sends everything again
        span = CONTENT_RANGE.match(self._response.headers.get("content-range") or "")
        return int(span[1]) if span else offset

    def read(self, size: int) -> bytes:
        try:
            data: bytes = self._response.read1(size)  # what has arrived: it counts even if the rest never does
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: closed by another thread
            raise PassingError(f"the connection broke ({type(error).__name__})") from error
        if self._missing is not None:
            self._missing -= len(data)
            if not data and self._missing > 0:
                raise PassingError(f"the server stopped {self._missing:,} bytes before the end")
        return data

    def close(self) -> None:
        self._response.close()


class _Stored:
    """A file of a file system that fsspec knows, such as an object store."""

    def __init__(self, address: str, offset: int) -> None:
        import fsspec

        self._address = address
        self._file: Any = self._call(lambda: fsspec.open(address, "rb").open())
        if offset:
            self._call(lambda: self._file.seek(offset))

    def read(self, size: int) -> bytes:
        return bytes(self._call(lambda: self._file.read(size)))

    def close(self) -> None:
        with suppress(Exception):  # of a library that we do not know
            self._file.close()

    def _call(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except (FileNotFoundError, IsADirectoryError, PermissionError, ImportError, NotImplementedError) as error:
            raise UnreadableError(self._address, _reason(error)) from error
        except Exception as error:  # of a library that we do not know
            raise PassingError(_reason(error)) from error


class _Command:
    """The output of a command."""

    def __init__(self, address: str, offset: int) -> None:
        self._address = address
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115, closed with the command
        self._process = subprocess.Popen(
            address.removeprefix(PIPE),
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        _skip(self, offset)

    def read(self, size: int) -> bytes:
        assert self._process.stdout is not None
        try:
            data: bytes = self._process.stdout.read(size)
        except (OSError, ValueError) as error:  # ValueError: closed by another thread
            raise PassingError(type(error).__name__) from error
        if not data and (status := self._process.wait()):
            raise PassingError(f"the command ended with {status}{self._said()}")
        return data

    def close(self) -> None:
        with suppress(OSError):
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._errors.close()

    def _said(self) -> str:
        """Return the last line that the command wrote to its error stream."""
        with suppress(OSError, ValueError):
            self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - MESSAGE_BYTES))
            lines = self._errors.read().decode("utf-8", "replace").split("\n")
            return next((f": {line.strip()}" for line in reversed(lines) if line.strip()), "")
        return ""


def _request(address: str) -> tuple[str, dict[str, str]]:
    """Return an address without user and password, and the header that holds them."""
    parts = urllib.parse.urlsplit(address)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return address, {}
    key = base64.b64encode(urllib.parse.unquote(user).encode()).decode()
    return urllib.parse.urlunsplit(parts._replace(netloc=host)), {"Authorization": f"Basic {key}"}


def _refusal(error: Exception) -> str:
    if not isinstance(error, Refused):
        return first_line(error)
    redirected = 300 <= error.status < 400
    return f"HTTP {error.status}{', redirected without end or to no web address' if redirected else ''}"


def _skip(connection: Connection, size: int) -> None:
    """Read bytes that are known already."""
    while size > 0:
        data = connection.read(min(size, 2**20))
        if not data:
            raise PassingError("it is shorter than before")
        size -= len(data)


def _reason(error: Exception) -> str:
    strerror = error.strerror if isinstance(error, OSError) else ""
    return strerror or f"{type(error).__name__}: {first_line(error)}"
