"""Chunks of embeddings, the unit of the store, and their files.

Layout: ``<root>/<tower identity>/<chunk>.safetensors``. The identity covers everything that can change an embedding
except the content itself (weights, transform, tokenizer, dtype); a chunk is named after the contents that it holds. Its
checksum covers both names, so that a chunk which was renamed, or which belongs to another model, is detected as damaged
just like one with a flipped bit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from goldieval.core.checksums import checksum

ChunkContent = tuple[list[str], dict[str, str], np.ndarray]  # keys, failed, embeddings


class DamagedChunkError(Exception):
    """The file is not a chunk, its content does not match its checksum, or it belongs to another name."""


@dataclass(frozen=True)
class Chunk:
    """Contents that are always encoded together and in this order: the unit of the store.

    Attributes:
        keys: content keys, in the order of encoding.
    """

    keys: tuple[str, ...]

    @property
    def name(self) -> str:
        return hashlib.sha256("\n".join(self.keys).encode()).hexdigest()[:32]


def chunks_of(keys: Sequence[str], size: int) -> list[Chunk]:
    """Split sorted content keys into chunks of ``size``.

    Whole chunks that are already stored drop out of ``keys`` without moving the boundaries of the others, so that a
    resumed run, or a second process, repeats exactly the same batches.
    """
    return [Chunk(tuple(keys[start : start + size])) for start in range(0, len(keys), size)]


def chunk_bytes(file: Path, content: ChunkContent) -> bytes:
    """Return the bytes of a chunk that is to be stored as ``file``."""
    keys, failed, array = content
    metadata = {"keys": "\n".join(keys), "failed": json.dumps(failed)}
    metadata["sha256"] = _checksum(file, array, metadata)
    return save({"embeddings": array}, metadata=metadata)


def read_chunk(file: Path) -> ChunkContent:
    """Read a chunk.

    Raises:
        OSError: the file is missing or cannot be read.
        DamagedChunkError: it is not the chunk of that name.
    """
    with file.open("rb"):  # safetensors reports a file without read permission as missing
        pass
    try:
        with safe_open(str(file), framework="numpy") as stored:
            metadata, array = stored.metadata(), stored.get_tensor("embeddings")
        if metadata["sha256"] != _checksum(file, array, metadata):
            raise DamagedChunkError(file)
        return metadata["keys"].split("\n") if metadata["keys"] else [], json.loads(metadata["failed"]), array
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise DamagedChunkError(file) from error


def _checksum(file: Path, array: np.ndarray, metadata: dict[str, str]) -> str:
    """Return the SHA-256 over tower identity, chunk name, content keys, failures and values."""
    name = json.dumps([file.parent.name, file.stem, metadata["keys"], metadata["failed"]])
    return checksum(name, {"embeddings": np.ascontiguousarray(array)})
