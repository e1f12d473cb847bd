"""Encode each distinct picture and each distinct text once, chunk by chunk, into the store."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from goldieval.adapter import Adapter, Sees
from goldieval.data.samples import ImageSource
from goldieval.embeddings import Chunk, Space, chunks_of

if TYPE_CHECKING:
    import torch

# Sizes of a chunk in contents: small enough that a killed run loses seconds, large enough to hold many batches.
IMAGES_PER_CHUNK = 256
TEXTS_PER_CHUNK = 1024

T = TypeVar("T")
Encoded = tuple[list[str], np.ndarray, dict[str, OSError]]


class Meter(Protocol):
    """Told what is going on: ``advance(n)`` after each batch, ``waiting()`` while another process encodes."""

    def advance(self, count: int) -> None: ...

    def waiting(self) -> None: ...


@dataclass(frozen=True)
class Batching:
    """How a tower is fed. Sizes in items; workers are threads that read and decode."""

    images: int = 64
    texts: int = 128
    workers: int = os.cpu_count() or 1


def text_key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def image_keys(sources: Sequence[ImageSource], workers: int) -> list[str | OSError]:
    """Return the content key of every picture, or the error that reading it gave, in order."""

    def key(source: ImageSource) -> str | OSError:
        try:
            return source.key()
        except OSError as error:
            return error

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(key, sources))


def plan_images(space: Space, sources: Mapping[str, ImageSource]) -> list[Chunk]:
    """Return the chunks of pictures that are not stored yet."""
    return chunks_of(sorted(space.missing(sources)), IMAGES_PER_CHUNK)


def plan_texts(space: Space, texts: Mapping[str, str]) -> list[Chunk]:
    """Return the chunks of texts that are not stored yet, short ones together."""
    return chunks_of(sorted(space.missing(texts), key=lambda key: (len(texts[key]), key)), TEXTS_PER_CHUNK)


def encode(space: Space, chunks: Sequence[Chunk], compute: Callable[[Chunk], Encoded], meter: Meter) -> int:
    """Encode chunks, leaving those to other processes that they hold; return how many contents were encoded here.

    When it returns, every chunk is stored: what another process held is waited for, and encoded here if that one died.
    """
    done, start = 0, time.perf_counter()
    pending = list(chunks)
    while pending:
        for chunk in list(pending):
            with space.claim(chunk) as ours:
                if not ours:
                    continue
                if not space.holds(chunk):
                    keys, embeddings, failed = compute(chunk)
                    space.write(chunk, keys, embeddings, _for_good(space, failed))
                    done += len(chunk.keys)
                else:
                    meter.advance(len(chunk.keys))
                pending.remove(chunk)
        if pending:
            meter.waiting()
            with space.claim(pending[0], wait_s=0.2):
                pass
    if done:
        space.note_rate(done / (time.perf_counter() - start))
    space.sweep_locks()
    space.refresh()
    return done


def _for_good(space: Space, failed: Mapping[str, OSError]) -> dict[str, str]:
    """Return the failures that belong to the content; a failure to read counts for this run and is tried again."""
    from goldieval.data.decode import UndecodableError

    space.failed |= {key: str(error) for key, error in failed.items()}
    return {key: str(error) for key, error in failed.items() if isinstance(error, UndecodableError)}


def image_computer(
    model: Adapter, sources: Mapping[str, ImageSource], batching: Batching, pool: ThreadPoolExecutor, meter: Meter
) -> Callable[[Chunk], Encoded]:
    """Return the function that encodes one chunk of pictures; threads decode ahead of the tower."""
    import torch

    def compute(chunk: Chunk) -> Encoded:
        good: list[str] = []
        failed: dict[str, OSError] = {}
        parts = []
        for batch in batches(decoded(model, chunk.keys, sources, pool), batching.images):
            usable = [(key, pixels) for key, pixels in batch if not isinstance(pixels, OSError)]
            failed |= {key: error for key, error in batch if isinstance(error, OSError)}
            if usable:
                parts.append(_numpy(model.encode_image(torch.stack([pixels for _, pixels in usable]))))
                good += [key for key, _ in usable]
            meter.advance(len(batch))
        return good, _joined(parts), failed

    return compute


def decoded(
    model: Sees, keys: Sequence[str], sources: Mapping[str, ImageSource], pool: ThreadPoolExecutor
) -> Iterator[tuple[str, torch.Tensor | OSError]]:
    """Yield each picture ready for the tower, or the error that it gave; threads work a chunk ahead."""

    def prepare(key: str) -> torch.Tensor | OSError:
        try:
            return model.preprocess(sources[key].open())
        except OSError as error:
            return error

    for start in range(0, len(keys), IMAGES_PER_CHUNK):
        part = keys[start : start + IMAGES_PER_CHUNK]
        yield from zip(part, pool.map(prepare, part), strict=True)


def text_computer(
    model: Adapter, texts: Mapping[str, str], batching: Batching, meter: Meter
) -> Callable[[Chunk], Encoded]:
    """Return the function that encodes one chunk of texts, sorted by tokens and trimmed where the model says it may."""
    from goldieval.padding import lengths

    trim = getattr(model, "trim", None)

    def compute(chunk: Chunk) -> Encoded:
        tokens = model.tokenize([texts[key] for key in chunk.keys])
        order = lengths(tokens).argsort(stable=True) if trim else range(len(tokens))
        rows = [int(row) for row in order]
        parts = []
        for start in range(0, len(rows), batching.texts):
            batch = tokens[rows[start : start + batching.texts]]
            parts.append(_numpy(model.encode_text(trim(batch) if trim else batch)))
            meter.advance(len(batch))
        return [chunk.keys[row] for row in rows], _joined(parts), {}

    return compute


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of ``size`` items, the last one with what is left."""
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _numpy(features: torch.Tensor) -> np.ndarray:
    array: np.ndarray = features.float().cpu().numpy()
    return array


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)
