"""Encode each distinct picture and each distinct text once, chunk by chunk, into the store."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing

from goldieval.core.meter import Meter
from goldieval.core.stop import check_stop
from goldieval.data.decode import UndecodableError
from goldieval.data.image_source import ImageSource
from goldieval.engine.chunk_encoders import ChunkEncoder
from goldieval.engine.chunks import Chunk, chunks_of
from goldieval.engine.space import Space

# Sizes of a chunk in contents: small enough that a killed run loses seconds, large enough to hold many batches.
IMAGES_PER_CHUNK = 256
TEXTS_PER_CHUNK = 1024


def text_key(text: str) -> str:
    """Return the content key of a text, its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()


def plan_images(space: Space, sources: Mapping[str, ImageSource]) -> list[Chunk]:
    """Return the chunks of pictures that are not stored yet."""
    return chunks_of(sorted(space.missing(sources)), IMAGES_PER_CHUNK)


def plan_texts(space: Space, texts: Mapping[str, str]) -> list[Chunk]:
    """Return the chunks of texts that are not stored yet, texts of similar length together."""
    return chunks_of(sorted(space.missing(texts), key=lambda key: (len(texts[key]), key)), TEXTS_PER_CHUNK)


def encode(space: Space, chunks: Sequence[Chunk], encoder: ChunkEncoder, meter: Meter) -> int:
    """Encode chunks into a space. A chunk that another process encodes is skipped, and waited for at the end.

    If that other process dies, its chunk is encoded here. On return every chunk is stored. Chunks are locked when the
    encoder asks for them, a few ahead of the one that it finishes next, and each is stored as soon as it is finished.

    Args:
        space: where the embeddings are stored.
        chunks: what to encode.
        encoder: encodes a stream of chunks, in order.
        meter: shows the progress.

    Returns:
        The number of contents that this process encoded.
    """
    done, start = 0, time.perf_counter()
    pending = dict.fromkeys(chunks)
    while pending:
        with _Claims(space, meter) as claims, closing(encoder(claims.of(pending))) as encoded:
            for chunk, (keys, embeddings, failed) in encoded:
                permanent = _permanent_failures(space, failed)
                if keys or permanent:  # an empty chunk would prevent the next attempt
                    space.write(chunk, keys, embeddings, permanent)
                claims.release(chunk)
                done += len(chunk.keys)
                check_stop()
        for chunk in claims.finished:
            del pending[chunk]
        if pending:
            meter.waiting()
            check_stop()
            with space.claim(next(iter(pending)), wait_s=0.2):
                pass
    if done:
        space.write_rate(done / (time.perf_counter() - start))
    space.sweep_locks()
    space.refresh()
    return done


class _Claims:
    """The chunks that this process has locked; all are released at the end, however it comes.

    Attributes:
        finished: chunks that are stored, by this process or another.
    """

    def __init__(self, space: Space, meter: Meter) -> None:
        self._space, self._meter = space, meter
        self._held: dict[Chunk, ExitStack] = {}
        self.finished: list[Chunk] = []

    def __enter__(self) -> _Claims:
        return self

    def __exit__(self, *error: object) -> None:
        for chunk in list(self._held):
            self._held.pop(chunk).close()

    def of(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Lock chunks one by one, and yield those that this process has to encode."""
        for chunk in chunks:
            stack = self._held[chunk] = ExitStack()
            if not stack.enter_context(self._space.claim(chunk)):
                self._held.pop(chunk).close()
            elif self._space.has(chunk):
                self._meter.advance(len(chunk.keys))
                self.release(chunk)
            else:
                yield chunk

    def release(self, chunk: Chunk) -> None:
        """Release a chunk that is finished."""
        self._held.pop(chunk).close()
        self.finished.append(chunk)


def _permanent_failures(space: Space, failed: Mapping[str, OSError]) -> dict[str, str]:
    """Return the failures to decode, by content key. Failures to read hold for this run only and are retried later."""
    space.failed |= {key: str(error) for key, error in failed.items()}
    return {key: str(error) for key, error in failed.items() if isinstance(error, UndecodableError)}
