"""Draws for paired tests: resampled clusters, and clusters whose two models are exchanged at random."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from goldieval.metrics.intervals import resampled

FEW = 8  # so many clusters share an outcome on average: drawing how often each outcome comes is quicker


def drawn_sums(rows: np.ndarray, resamples: int) -> np.ndarray:
    """Sums over resampled rows, shape (resamples, columns).

    Rows that are alike are counted first, and how often each kind comes is drawn: the same distribution, far quicker.
    """
    kinds, counts = np.unique(rows, axis=0, return_counts=True)
    if FEW * len(kinds) > len(rows):
        return resampled(rows, resamples=resamples)
    generator = np.random.Generator(np.random.PCG64(0))
    drawn: np.ndarray = generator.multinomial(len(rows), counts / len(rows), size=resamples) @ kinds
    return drawn


def swapped_sums(differences: np.ndarray, resamples: int) -> np.ndarray:
    """Sums of differences of which each keeps or changes its sign at random, shape (resamples, columns).

    Args:
        differences: (clusters, columns).
    """
    differing = differences[differences.any(axis=1)]
    kinds, counts = np.unique(differing, axis=0, return_counts=True)
    generator = np.random.Generator(np.random.PCG64(1))
    swapped = np.empty((resamples, differences.shape[1]))
    alike = FEW * len(kinds) <= len(differing)
    for rows in blocks(resamples, len(kinds) if alike else len(differing)):
        size = rows.stop - rows.start
        if alike:
            swapped[rows] = (2 * generator.binomial(counts, 0.5, (size, len(kinds))) - counts) @ kinds
        else:
            swapped[rows] = _signs(generator, size, len(differing)) @ differing
    return swapped


def blocks(rows: int, columns: int) -> Iterator[slice]:
    """Cut so many rows into blocks of bounded memory."""
    step = max(1, 8_000_000 // max(columns, 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def _signs(generator: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Return 1.0 and -1.0 at random."""
    bits = np.unpackbits(generator.integers(0, 256, (rows, (columns + 7) // 8), dtype=np.uint8), axis=1)
    return 2.0 * bits[:, :columns] - 1.0
