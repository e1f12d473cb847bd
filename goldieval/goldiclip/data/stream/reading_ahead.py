"""The bytes of a shard, read ahead in a thread: broken connections are taken up again, silent ones are given up."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

from goldieval.goldiclip.data.stream.connections import Connection, connect
from goldieval.goldiclip.data.stream.faults import PassingError, UnreadableError

CHUNK = 2**20
AHEAD = 8  # chunks that wait to be used
TRIES = 4  # consecutive attempts without progress
MOST_TRIES = 50  # attempts for one shard
LONGEST_WAIT_S = 60.0  # that a server may ask for
SILENT_S = 300.0  # without a byte
SLOWEST, WINDOW_S = 1_000, 60.0  # bytes a second, averaged over this time of waiting for them
pause = time.sleep


class ReadingAhead:
    """A stream of bytes for ``tarfile``.

    Attributes:
        beginning: The first bytes of the shard.
        end: The last bytes that were read, up to 512.
    """

    def __init__(self, address: str) -> None:
        """Begin to read.

        Args:
            address: The shard.
        """
        self.address, self.beginning, self.end = address, b"", b""
        self._chunks: queue.Queue[bytes | UnreadableError] = queue.Queue(AHEAD)
        self._held, self._place, self._ended = b"", 0, False  # a chunk, and how much of it was used
        self._closed = threading.Event()
        self._connection: Connection | None = None
        threading.Thread(target=self._run, name="goldieval shard", daemon=True).start()

    def read(self, size: int) -> bytes:
        """Return as many bytes as are wanted, fewer only at the end.

        Raises:
            UnreadableError: There is no more, and there should be.
        """
        parts: list[bytes] = []
        missing = size
        while missing > 0 and not self._ended:
            if self._place == len(self._held):
                self._held, self._place = self._next(), 0
                self._ended = not self._held
            part = self._held[self._place : self._place + missing]
            self._place += len(part)
            missing -= len(part)
            parts.append(part)
        data = b"".join(parts)
        self.beginning = self.beginning or data[:2]
        self.end = (self.end + data[-512:])[-512:]
        return data

    def close(self) -> None:
        """Stop reading."""
        self._closed.set()
        connection = self._connection
        if connection is not None:
            connection.close()

    def _next(self) -> bytes:
        try:
            chunk = self._chunks.get(timeout=SILENT_S)
        except queue.Empty:
            raise UnreadableError(self.address, f"nothing arrived for {SILENT_S:,.0f} s") from None
        if isinstance(chunk, UnreadableError):
            raise chunk
        return chunk

    def _run(self) -> None:
        try:
            for chunk in self._all_chunks():
                self._put(chunk)
            self._put(b"")
        except UnreadableError as error:
            self._put(error)
        except Exception as error:  # of a library that we do not know; it must not leave the reader waiting
            self._put(UnreadableError(self.address, f"{type(error).__name__}: {error}"))

    def _put(self, chunk: bytes | UnreadableError) -> None:
        while not self._closed.is_set():
            with suppress(queue.Full):
                self._chunks.put(chunk, timeout=0.2)
                return

    def _all_chunks(self) -> Iterator[bytes]:
        done = failures = tries = 0
        while not self._closed.is_set():
            tries += 1
            try:
                for chunk in self._from(done):
                    done, failures = done + len(chunk), 0
                    yield chunk
                return
            except PassingError as error:
                failures += 1
                wait = 2.0 ** (failures - 1) if error.after is None else error.after
                if failures >= TRIES or tries >= MOST_TRIES or wait > LONGEST_WAIT_S:
                    raise UnreadableError(self.address, f"{error} ({tries} attempts)") from error
            pause(wait)

    def _from(self, offset: int) -> Iterator[bytes]:
        self._connection = connect(self.address, offset)
        waited, size = 0.0, 0
        try:
            while not self._closed.is_set():
                start = time.monotonic()
                chunk = self._connection.read(CHUNK)
                waited, size = waited + time.monotonic() - start, size + len(chunk)
                if not chunk:
                    return
                yield chunk
                if waited > WINDOW_S:
                    _check_speed(size / waited)
                    waited, size = 0.0, 0
        finally:
            self._connection.close()


def _check_speed(bytes_per_s: float) -> None:
    """Raise PassingError for a connection that is too slow, which a timeout for silence does not detect."""
    if bytes_per_s < SLOWEST:
        raise PassingError(f"fewer than {SLOWEST:,} bytes a second arrived")
