"""Bytes of images that were read for their key, kept until they are decoded, so that a file is read once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from goldieval.core.memory_limit import usable_bytes

MOST_BYTES = 4_000_000_000
SHARE_OF_MEMORY = 4  # at most a quarter of what is usable


class KeptBytes:
    """Bytes by content key, within a limit; nothing is kept outside ``keeping``. Safe for threads."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._left = 0

    def keep(self, key: str, content: bytes) -> None:
        """Keep bytes if there is room for them."""
        with self._lock:
            if key not in self._contents and len(content) <= self._left:
                self._left -= len(content)
                self._contents[key] = content

    def taken(self, key: str) -> bytes | None:
        """Return kept bytes and drop them; None if there are none."""
        with self._lock:
            content = self._contents.pop(key, None)
            self._left += len(content) if content is not None else 0
            return content

    @contextmanager
    def keeping(self, most: int | None = None, processes: int = 1) -> Iterator[None]:
        """Keep bytes inside the block, and drop the rest at its end.

        Args:
            most: Number of bytes; by default 4 GB, or a quarter of the usable memory if that is less.
            processes: Number of processes that share the default.
        """
        before = self._left
        with self._lock:
            default = min(MOST_BYTES, usable_bytes() // SHARE_OF_MEMORY) // processes
            self._left = default if most is None else most
        try:
            yield
        finally:
            with self._lock:
                self._contents.clear()
                self._left = before


KEPT = KeptBytes()
