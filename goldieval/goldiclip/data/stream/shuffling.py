"""A bounded buffer that shuffles a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from goldieval.goldiclip.data.corpus import BadSampleError
from goldieval.goldiclip.data.stream.tar_stream import EncodedSample

BUFFER_BYTES = 256 * 2**20  # of a worker
FIRST = 4  # a fourth of the buffer is filled before the first sample comes out of it


def shuffled(
    samples: Iterable[EncodedSample | BadSampleError], most: int, rng: Random
) -> Iterator[EncodedSample | BadSampleError]:
    """Yield samples in a shuffled order; what is bad is passed on at once.

    Args:
        samples: Samples in the order of a stream.
        most: Samples that are held at most; fewer where they are large.
        rng: Source of random numbers.
    """
    held: list[EncodedSample] = []
    size, wanted = 0, max(1, most // FIRST)
    for sample in samples:
        if isinstance(sample, BadSampleError):
            yield sample
            continue
        held.append(sample)
        size += sample.size
        while len(held) >= min(wanted, most) or (size > BUFFER_BYTES and held):
            place = rng.randrange(len(held))
            held[place], held[-1] = held[-1], held[place]
            chosen = held.pop()
            size, wanted = size - chosen.size, wanted + 1
            yield chosen
    rng.shuffle(held)
    yield from held
