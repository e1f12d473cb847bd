"""Checksums of cached tensors, over their content and over the name under which they are stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def checksum(name: str, arrays: Mapping[str, Any]) -> str:
    """Return the SHA-256 of NumPy arrays: their content, names, shapes and types, and the name they are stored under.

    A flipped bit changes the checksum, and so does a file that was renamed or exchanged with another.
    """
    head = [[key, list(array.shape), str(array.dtype)] for key, array in sorted(arrays.items())]
    total = hashlib.sha256(json.dumps([name, head]).encode())
    for _, array in sorted(arrays.items()):
        total.update(memoryview(array).cast("B") if array.size else b"")
    return total.hexdigest()
