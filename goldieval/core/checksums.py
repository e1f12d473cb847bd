"""Checksums of cached tensors, over what they are for as well as what they hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def checksum(name: str, arrays: Mapping[str, Any]) -> str:
    """Return the SHA-256 of arrays (NumPy), their names, shapes and types, and of the name that they are filed under.

    A flipped bit and a file that was renamed or swapped with another both give another checksum.
    """
    head = [[key, list(array.shape), str(array.dtype)] for key, array in sorted(arrays.items())]
    total = hashlib.sha256(json.dumps([name, head]).encode())
    for _, array in sorted(arrays.items()):
        total.update(memoryview(array).cast("B") if array.size else b"")
    return total.hexdigest()
