"""The functions that encode one chunk of pictures or texts with a model, and check what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from goldieval.core.bisection import BatchFailures, bisect_failures
from goldieval.core.errors import AdapterError, TaskError
from goldieval.core.meter import Meter
from goldieval.data.image_source import ImageSource
from goldieval.engine.chunks import Chunk
from goldieval.models.adapter import Adapter
from goldieval.models.inputs import Batching, batches, decoded, stacked

if TYPE_CHECKING:
    import torch

EncodedChunk = tuple[list[str], np.ndarray, dict[str, OSError]]  # keys, embeddings, failures to read or decode


def image_chunk_encoder(
    model: Adapter,
    sources: Mapping[str, ImageSource],
    batching: Batching,
    pool: ThreadPoolExecutor,
    meter: Meter,
    failures: BatchFailures | None = None,
) -> Callable[[Chunk], EncodedChunk]:
    """Return the function that encodes one chunk of pictures; threads decode ahead of the model.

    Args:
        model: encodes pictures.
        sources: pictures by content key.
        batching: batch sizes and number of threads.
        pool: threads that decode.
        meter: shows the progress.
        failures: collects the pictures on which the model fails.
    """
    failures, as_rows = failures or BatchFailures(), _FeatureCheck("encode_image")

    def compute(chunk: Chunk) -> EncodedChunk:
        encoded: list[str] = []
        failed: dict[str, OSError] = {}
        parts = []
        for batch in batches(decoded(model, chunk.keys, sources, pool), batching.images):
            failed |= {key: error for key, error in batch if isinstance(error, OSError)}
            failures.reasons |= {key: str(error) for key, error in batch if isinstance(error, TaskError)}
            usable = [(key, pixels) for key, pixels in batch if not isinstance(pixels, Exception)]
            keys, inputs = [key for key, _ in usable], [pixels for _, pixels in usable]

            def encode_rows(rows: Sequence[int], inputs: list[torch.Tensor] = inputs) -> np.ndarray:
                return as_rows(model.encode_image(stacked([inputs[row] for row in rows])), len(rows))

            for rows, part in bisect_failures(keys, encode_rows, failures, "encoding it"):
                parts.append(part)
                encoded += [keys[row] for row in rows]
            meter.advance(len(batch))
        return encoded, _concatenated(parts), failed

    return compute


def text_chunk_encoder(
    model: Adapter, texts: Mapping[str, str], batching: Batching, meter: Meter, failures: BatchFailures | None = None
) -> Callable[[Chunk], EncodedChunk]:
    """Return the function that encodes one chunk of texts.

    Where the model offers ``trim``, which is exact, texts are sorted by their number of tokens and padding is trimmed.

    Args:
        model: tokenizes and encodes texts.
        texts: texts by content key.
        batching: batch sizes and number of threads.
        meter: shows the progress.
        failures: collects the texts on which the model fails.
    """
    from goldieval.models.padding import lengths

    trim = getattr(model, "trim", None)
    failures, as_rows = failures or BatchFailures(), _FeatureCheck("encode_text")

    def compute(chunk: Chunk) -> EncodedChunk:
        encoded: list[str] = []
        parts, remaining = [], len(chunk.keys)

        def tokenize_rows(rows: Sequence[int]) -> torch.Tensor:
            return _checked_tokens(model.tokenize([texts[chunk.keys[row]] for row in rows]), len(rows))

        for group, tokens in bisect_failures(chunk.keys, tokenize_rows, failures, "tokenizing it"):
            order = lengths(tokens).argsort(stable=True) if trim else range(len(tokens))
            positions = [int(position) for position in order]
            for start in range(0, len(positions), batching.texts):
                batch = positions[start : start + batching.texts]
                keys = [chunk.keys[group[position]] for position in batch]

                def encode_rows(
                    rows: Sequence[int], tokens: torch.Tensor = tokens, batch: list[int] = batch
                ) -> np.ndarray:
                    selected = tokens[[batch[row] for row in rows]]
                    return as_rows(model.encode_text(trim(selected) if trim else selected), len(rows))

                for rows, part in bisect_failures(keys, encode_rows, failures, "encoding it"):
                    parts.append(part)
                    encoded += [keys[row] for row in rows]
                remaining -= len(batch)
                meter.advance(len(batch))
        meter.advance(remaining)  # texts that could not be tokenized
        return encoded, _concatenated(parts), {}

    return compute


class _FeatureCheck:
    """Checks what an encoder returns, batch by batch, and converts it to float32 rows on the CPU."""

    def __init__(self, encoder: str) -> None:
        self._encoder, self._width = encoder, 0

    def __call__(self, features: torch.Tensor, count: int) -> np.ndarray:
        """Return features as an array of shape (count, dim).

        Raises:
            AdapterError: they are not such a tensor, or have another width than those of earlier batches.
        """
        import torch

        if not isinstance(features, torch.Tensor):
            raise AdapterError(f"{self._encoder}() must return a tensor; it returned {type(features).__name__}.")
        if features.ndim != 2 or len(features) != count or features.shape[1] == 0 or features.is_complex():
            returned = f"{features.dtype} {tuple(features.shape)}"
            raise AdapterError(f"{self._encoder}() must return floats of shape ({count}, dim); it returned {returned}.")
        array: np.ndarray = features.detach().float().cpu().numpy()
        self._width = self._width or array.shape[1]
        if array.shape[1] != self._width:
            raise AdapterError(
                f"{self._encoder}() returned rows of {self._width} numbers for one batch and {array.shape[1]} "
                "for another."
            )
        return array


def _checked_tokens(tokens: torch.Tensor, count: int) -> torch.Tensor:
    import torch

    if not isinstance(tokens, torch.Tensor) or tokens.ndim < 1 or len(tokens) != count:
        returned = tuple(tokens.shape) if isinstance(tokens, torch.Tensor) else type(tokens).__name__
        raise AdapterError(f"tokenize() must return a tensor with one row per text, {count}; it returned {returned}.")
    return tokens


def _concatenated(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)
