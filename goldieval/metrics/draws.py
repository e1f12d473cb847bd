"""Draws for paired tests: resampled clusters, and clusters whose two models are exchanged at random."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from goldieval.core.meter import tracked

RESAMPLES = 2000
FEW = 8  # clusters per distinct outcome from which drawing the counts of outcomes is faster


def drawn_sums(rows: np.ndarray, resamples: int) -> np.ndarray:
    """Return sums over resampled rows, (resamples, columns).

    Where many rows are equal, the counts of distinct rows are drawn: the same distribution, in much less time.

    Args:
        rows: (clusters, columns).
        resamples: number of draws.
    """
    kinds, counts = np.unique(rows, axis=0, return_counts=True)
    if FEW * len(kinds) > len(rows):
        return resampled(rows, resamples=resamples)
    generator = np.random.Generator(np.random.PCG64(0))
    drawn: np.ndarray = generator.multinomial(len(rows), counts / len(rows), size=resamples) @ kinds
    return drawn


def swapped_sums(differences: np.ndarray, resamples: int) -> np.ndarray:
    """Return sums of differences, each of which keeps or changes its sign at random, (resamples, columns).

    Args:
        differences: (clusters, columns).
        resamples: number of draws.
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
    """Yield slices of ``rows`` rows that need a bounded amount of memory at ``columns`` columns."""
    step = max(1, 8_000_000 // max(columns, 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def _signs(generator: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Return 1.0 and -1.0 at random, (rows, columns)."""
    bits = np.unpackbits(generator.integers(0, 256, (rows, (columns + 7) // 8), dtype=np.uint8), axis=1)
    return 2.0 * bits[:, :columns] - 1.0


def resampled(sums: np.ndarray, seed: int = 0, resamples: int = RESAMPLES) -> np.ndarray:
    """Return sums over clusters drawn with replacement, (resamples, columns), in blocks of bounded memory.

    Args:
        sums: what is added up, (clusters, columns).
        seed: of the draws.
        resamples: number of draws.
    """
    count = len(sums)
    block = max(1, min(resamples, 8_000_000 // count))
    weights = cluster_weights(count, resamples, seed)
    parts = []
    for start in range(0, resamples, block):
        rows = [next(weights) for _ in range(min(block, resamples - start))]
        parts.append(np.stack(rows).astype(np.float64) @ sums)
    return np.concatenate(parts)


def cluster_weights(count: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yield, for each resample, the number of times that each cluster was drawn, (clusters,)."""
    generator = np.random.Generator(np.random.PCG64(seed))
    for _ in tracked(range(draws), "drawing resamples", draws):
        yield np.bincount(generator.integers(0, count, count), minlength=count)
