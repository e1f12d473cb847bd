"""Encode each distinct picture and each distinct text once, chunk by chunk, into the store."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from goldieval.core.bisection import BatchFailures, bisect_failures
from goldieval.core.containment import error_line
from goldieval.core.errors import AdapterError, TaskError
from goldieval.core.meter import Meter
from goldieval.data.decode import UndecodableError
from goldieval.data.samples import ImageSource
from goldieval.engine.store import Chunk, Space, chunks_of
from goldieval.models.adapter import Adapter
from goldieval.models.inputs import Batching, batches, decoded, stacked

if TYPE_CHECKING:
    import torch

# Sizes of a chunk in contents: small enough that a killed run loses seconds, large enough to hold many batches.
IMAGES_PER_CHUNK = 256
TEXTS_PER_CHUNK = 1024

Encoded = tuple[list[str], np.ndarray, dict[str, OSError]]


def text_key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def image_keys(sources: Sequence[ImageSource], workers: int) -> list[str | OSError]:
    """Return the content key of every picture, or the error that reading it gave, in order."""

    def key(source: ImageSource) -> str | OSError:
        try:
            return source.key()
        except OSError as error:
            return error
        except Exception as error:  # a name that no system takes, a container that is not what it seems
            return OSError(error_line(error))

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
                    lasting = _for_good(space, failed)
                    if keys or lasting:  # a chunk of nothing would stand in the way of the next try
                        space.write(chunk, keys, embeddings, lasting)
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
    space.failed |= {key: str(error) for key, error in failed.items()}
    return {key: str(error) for key, error in failed.items() if isinstance(error, UndecodableError)}


def image_computer(
    model: Adapter,
    sources: Mapping[str, ImageSource],
    batching: Batching,
    pool: ThreadPoolExecutor,
    meter: Meter,
    faults: BatchFailures | None = None,
) -> Callable[[Chunk], Encoded]:
    """Return the function that encodes one chunk of pictures; threads decode ahead of the tower.

    faults: takes up the pictures on which the model fails.
    """
    faults, rows_of = faults or BatchFailures(), _Rows("encode_image")

    def compute(chunk: Chunk) -> Encoded:
        good: list[str] = []
        failed: dict[str, OSError] = {}
        parts = []
        for batch in batches(decoded(model, chunk.keys, sources, pool), batching.images):
            failed |= {key: error for key, error in batch if isinstance(error, OSError)}
            faults.reasons |= {key: str(error) for key, error in batch if isinstance(error, TaskError)}
            usable = [(key, pixels) for key, pixels in batch if not isinstance(pixels, Exception)]
            keys, inputs = [key for key, _ in usable], [pixels for _, pixels in usable]

            def work(rows: Sequence[int], inputs: list[torch.Tensor] = inputs) -> np.ndarray:
                return rows_of(model.encode_image(stacked([inputs[row] for row in rows])), len(rows))

            for rows, part in bisect_failures(keys, work, faults, "encoding it"):
                parts.append(part)
                good += [keys[row] for row in rows]
            meter.advance(len(batch))
        return good, _joined(parts), failed

    return compute


def text_computer(
    model: Adapter, texts: Mapping[str, str], batching: Batching, meter: Meter, faults: BatchFailures | None = None
) -> Callable[[Chunk], Encoded]:
    """Return the function that encodes one chunk of texts, sorted by tokens and trimmed where the model says it may.

    faults: takes up the texts on which the model fails.
    """
    from goldieval.models.padding import lengths

    trim = getattr(model, "trim", None)
    faults, rows_of = faults or BatchFailures(), _Rows("encode_text")

    def compute(chunk: Chunk) -> Encoded:
        good: list[str] = []
        parts, left = [], len(chunk.keys)

        def tokenized(rows: Sequence[int]) -> torch.Tensor:
            return _tokens(model.tokenize([texts[chunk.keys[row]] for row in rows]), len(rows))

        for group, tokens in bisect_failures(chunk.keys, tokenized, faults, "tokenizing it"):
            order = lengths(tokens).argsort(stable=True) if trim else range(len(tokens))
            places = [int(place) for place in order]
            for start in range(0, len(places), batching.texts):
                batch = places[start : start + batching.texts]
                keys = [chunk.keys[group[place]] for place in batch]

                def work(rows: Sequence[int], tokens: torch.Tensor = tokens, batch: list[int] = batch) -> np.ndarray:
                    chosen = tokens[[batch[row] for row in rows]]
                    return rows_of(model.encode_text(trim(chosen) if trim else chosen), len(rows))

                for rows, part in bisect_failures(keys, work, faults, "encoding it"):
                    parts.append(part)
                    good += [keys[row] for row in rows]
                left -= len(batch)
                meter.advance(len(batch))
        meter.advance(left)  # what could not be tokenized
        return good, _joined(parts), {}

    return compute


class _Rows:
    """Checks what an encoder returns, batch by batch, and gives it as float32 rows on the host."""

    def __init__(self, encoder: str) -> None:
        self._encoder, self._width = encoder, 0

    def __call__(self, features: torch.Tensor, count: int) -> np.ndarray:
        """Return (count, dim). Raises AdapterError for anything else, or another width than the batch before."""
        import torch

        if not isinstance(features, torch.Tensor):
            raise AdapterError(f"{self._encoder}() must return a tensor; it returned {type(features).__name__}.")
        if features.ndim != 2 or len(features) != count or features.shape[1] == 0 or features.is_complex():
            found = f"{features.dtype} {tuple(features.shape)}"
            raise AdapterError(f"{self._encoder}() must return floats of shape ({count}, dim); it returned {found}.")
        array: np.ndarray = features.detach().float().cpu().numpy()
        self._width = self._width or array.shape[1]
        if array.shape[1] != self._width:
            raise AdapterError(
                f"{self._encoder}() returned rows of {self._width} numbers for one batch and {array.shape[1]} "
                "for another."
            )
        return array


def _tokens(tokens: torch.Tensor, count: int) -> torch.Tensor:
    import torch

    if not isinstance(tokens, torch.Tensor) or tokens.ndim < 1 or len(tokens) != count:
        found = tuple(tokens.shape) if isinstance(tokens, torch.Tensor) else type(tokens).__name__
        raise AdapterError(f"tokenize() must return a tensor with one row per text, {count}; it returned {found}.")
    return tokens


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)
