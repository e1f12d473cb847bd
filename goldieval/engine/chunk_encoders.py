"""Streams of chunks of pictures or texts through a model: what is read ahead never waits for the end of a chunk."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from goldieval.core.bisection import BatchFailures
from goldieval.core.errors import TaskError
from goldieval.core.meter import Meter
from goldieval.core.threads import batches_ahead
from goldieval.data.image_source import ImageSource
from goldieval.engine.batch_encoder import BatchEncoder, EncodedRows
from goldieval.engine.chunks import Chunk
from goldieval.engine.tokenized import TextBatch, tokenized_ahead
from goldieval.models.adapter import Adapter
from goldieval.models.decoders import Decoders, Pixels
from goldieval.models.inputs import DECODED_AHEAD, Batching, stacked

if TYPE_CHECKING:
    import torch

EncodedChunk = tuple[list[str], np.ndarray, dict[str, OSError]]  # keys, embeddings, failures to read or decode
EncodedChunks: TypeAlias = Generator[tuple[Chunk, EncodedChunk], None, None]
ChunkEncoder = Callable[[Iterable[Chunk]], EncodedChunks]


@dataclass
class _Result:
    """What has been encoded of a chunk so far."""

    keys: list[str] = field(default_factory=list)
    parts: list[np.ndarray] = field(default_factory=list)
    failed: dict[str, OSError] = field(default_factory=dict)

    def add(self, encoded: EncodedRows) -> None:
        for keys, part in encoded:
            self.keys += keys
            self.parts.append(part)

    def content(self) -> EncodedChunk:
        embeddings = np.concatenate(self.parts) if self.parts else np.empty((0, 0), dtype=np.float32)
        return self.keys, embeddings, self.failed


@dataclass
class _PictureBatch:
    """Pictures of one chunk that are encoded together.

    Attributes:
        chunk: the chunk.
        is_last: whether it is the last batch of the chunk.
        decoded: content keys with inputs of the image tower or errors, once they are decoded.
    """

    chunk: Chunk
    is_last: bool
    decoded: list[tuple[str, Pixels]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    pixels: list[torch.Tensor] = field(default_factory=list)

    def fill(self, decoded: list[tuple[str, Pixels]]) -> _PictureBatch:
        self.decoded = decoded
        self.keys = [key for key, pixels in decoded if not isinstance(pixels, Exception)]
        self.pixels = [pixels for _, pixels in decoded if not isinstance(pixels, Exception)]
        return self

    def inputs(self, rows: Sequence[int]) -> torch.Tensor:
        return stacked([self.pixels[row] for row in rows])


def image_chunk_encoder(
    model: Adapter,
    sources: Mapping[str, ImageSource],
    batching: Batching,
    decoders: Decoders,
    meter: Meter,
    failures: BatchFailures | None = None,
) -> ChunkEncoder:
    """Return the function that encodes a stream of chunks of pictures; decoding runs ahead over chunks.

    The batches of a chunk depend on the chunk alone.

    Args:
        model: encodes pictures.
        sources: pictures by content key.
        batching: batch sizes and number of threads.
        decoders: decode and preprocess.
        meter: shows the progress.
        failures: collects the pictures on which the model fails.
    """
    failures = failures or BatchFailures()

    def batches(chunks: Iterable[Chunk]) -> Iterator[tuple[_PictureBatch, Sequence[tuple[str, ImageSource]]]]:
        for chunk in chunks:
            for start in range(0, len(chunk.keys), batching.images):
                keys = chunk.keys[start : start + batching.images]
                is_last = start + batching.images >= len(chunk.keys)
                yield _PictureBatch(chunk, is_last), [(key, sources[key]) for key in keys]

    def decoded(chunks: Iterable[Chunk]) -> Iterator[_PictureBatch]:
        given = ((batch, images) for batch, images in batches(chunks))
        for (batch, images), pixels in batches_ahead(
            decoders.submit, (((batch, images), images) for batch, images in given), DECODED_AHEAD
        ):
            yield batch.fill([(key, each) for (key, _), each in zip(images, pixels, strict=True)])

    def encode(chunks: Iterable[Chunk]) -> EncodedChunks:
        encoder = BatchEncoder("encode_image", model.encode_image, model, failures)
        result = _Result()
        for batch, encoded in encoder(decoded(chunks)):
            result.failed |= {key: error for key, error in batch.decoded if isinstance(error, OSError)}
            failures.reasons |= {key: str(error) for key, error in batch.decoded if isinstance(error, TaskError)}
            result.add(encoded)
            meter.advance(len(batch.decoded))
            if batch.is_last:
                yield batch.chunk, result.content()
                result = _Result()

    return encode


def text_chunk_encoder(
    model: Adapter,
    texts: Mapping[str, str],
    batching: Batching,
    meter: Meter,
    failures: BatchFailures | None = None,
    pool: Executor | None = None,
) -> ChunkEncoder:
    """Return the function that encodes a stream of chunks of texts.

    Where the model offers ``trim``, which is exact, texts are sorted by their number of tokens and padding is trimmed.

    Args:
        model: tokenizes and encodes texts.
        texts: texts by content key.
        batching: batch sizes and number of threads.
        meter: shows the progress.
        failures: collects the texts on which the model fails.
        pool: a thread that tokenizes the next chunk while the model works, if it allows several threads.
    """
    failures = failures or BatchFailures()

    def encode(chunks: Iterable[Chunk]) -> EncodedChunks:
        encoder = BatchEncoder("encode_text", model.encode_text, model, failures)
        ahead = pool if getattr(model, "concurrent", False) else None
        batches: Iterator[TextBatch] = tokenized_ahead(model, chunks, texts, batching.texts, failures, ahead)
        result = _Result()
        for batch, encoded in encoder(batches):
            result.add(encoded)
            meter.advance(batch.contents)
            failures.given_up = failures.given_up or batch.given_up
            if batch.is_last:
                yield batch.chunk, result.content()
                result = _Result()

    return encode
