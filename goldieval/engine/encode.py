"""Encode each distinct picture and each distinct text once, chunk by chunk, into the store."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from goldieval.core.containment import error_line
from goldieval.core.meter import Meter, tracked
from goldieval.core.stop import check_stop
from goldieval.data.decode import UndecodableError
from goldieval.data.image_source import ImageSource
from goldieval.engine.chunk_encoders import EncodedChunk
from goldieval.engine.chunks import Chunk, chunks_of
from goldieval.engine.space import Space

# Sizes of a chunk in contents: small enough that a killed run loses seconds, large enough to hold many batches.
IMAGES_PER_CHUNK = 256
TEXTS_PER_CHUNK = 1024


def text_key(text: str) -> str:
    """Return the content key of a text, its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()


def image_keys(sources: Sequence[ImageSource], workers: int) -> list[str | OSError]:
    """Return the content key of each picture in order, or the error that was raised while reading it.

    Args:
        sources: the pictures.
        workers: number of threads that read.
    """

    def key(source: ImageSource) -> str | OSError:
        try:
            return source.key()
        except OSError as error:
            return error
        except Exception as error:  # a file name that the system refuses, a container with invalid content
            return OSError(error_line(error))

    with ThreadPoolExecutor(workers) as pool:
        return list(tracked(pool.map(key, sources), "reading images", len(sources)))


def plan_images(space: Space, sources: Mapping[str, ImageSource]) -> list[Chunk]:
    """Return the chunks of pictures that are not stored yet."""
    return chunks_of(sorted(space.missing(sources)), IMAGES_PER_CHUNK)


def plan_texts(space: Space, texts: Mapping[str, str]) -> list[Chunk]:
    """Return the chunks of texts that are not stored yet, texts of similar length together."""
    return chunks_of(sorted(space.missing(texts), key=lambda key: (len(texts[key]), key)), TEXTS_PER_CHUNK)


def encode(space: Space, chunks: Sequence[Chunk], compute: Callable[[Chunk], EncodedChunk], meter: Meter) -> int:
    """Encode chunks into a space. A chunk that another process encodes is skipped, and waited for at the end.

    If that other process dies, its chunk is encoded here. On return every chunk is stored.

    Args:
        space: where the embeddings are stored.
        chunks: what to encode.
        compute: encodes one chunk.
        meter: shows the progress.

    Returns:
        The number of contents that this process encoded.
    """
    done, start = 0, time.perf_counter()
    pending = list(chunks)
    while pending:
        for chunk in list(pending):
            with space.claim(chunk) as acquired:
                if not acquired:
                    continue
                if not space.has(chunk):
                    keys, embeddings, failed = compute(chunk)
                    permanent = _permanent_failures(space, failed)
                    if keys or permanent:  # an empty chunk would prevent the next attempt
                        space.write(chunk, keys, embeddings, permanent)
                    done += len(chunk.keys)
                else:
                    meter.advance(len(chunk.keys))
                pending.remove(chunk)
            check_stop()
        if pending:
            meter.waiting()
            check_stop()
            with space.claim(pending[0], wait_s=0.2):
                pass
    if done:
        space.write_rate(done / (time.perf_counter() - start))
    space.sweep_locks()
    space.refresh()
    return done


def _permanent_failures(space: Space, failed: Mapping[str, OSError]) -> dict[str, str]:
    """Return the failures to decode, by content key. Failures to read hold for this run only and are retried later."""
    space.failed |= {key: str(error) for key, error in failed.items()}
    return {key: str(error) for key, error in failed.items() if isinstance(error, UndecodableError)}
