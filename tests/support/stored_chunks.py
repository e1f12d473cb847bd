"""A chunk of embeddings, and a store that holds it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from goldieval.engine.chunk_encoders import ChunkEncoder, EncodedChunk, EncodedChunks
from goldieval.engine.chunks import Chunk
from goldieval.engine.encode import text_key
from goldieval.engine.store import Store

KEYS = [text_key(str(number)) for number in range(5)]
CHUNK = Chunk(tuple(KEYS))
VECTORS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def stored(root: Path) -> tuple[Store, Path]:
    """A store with one chunk, and that chunk's file."""
    store = Store(root)
    store.space("one").write(CHUNK, KEYS, VECTORS, {})
    (file,) = root.rglob("*.safetensors")
    return store, file


def one_by_one(compute: Callable[[Chunk], EncodedChunk]) -> ChunkEncoder:
    """An encoder of a stream of chunks that finishes each before it takes the next."""

    def encoder(chunks: Iterable[Chunk]) -> EncodedChunks:
        yield from ((chunk, compute(chunk)) for chunk in chunks)

    return encoder
