"""Do 95 % intervals cover the truth in 95 of 100 samples? Simulated samples whose true score is known.

Judged: cells of at least 500 independent units and true scores from 0.1 to 0.9, which must be covered in 93 to 97 % of
samples. Smaller samples and scores nearer to 0 or 1 are reported. Exits with status 1 where a judged cell fails.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
from scipy.stats import binom

from goldieval.metrics.intervals import Interval, clustered_means, mean_per_class, wilson

SIZES = (100, 500, 1000, 5000)
SCORES = (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
CAPTIONS = 5
CLASSES = 10
LEAST, MOST = 0.93, 0.97
JUDGED_FROM = 500


def wilson_exactly(units: int, score: float, samples: int, seed: int) -> float:
    """Coverage without simulation: the probability of every count of hits whose interval holds the score."""
    ends = np.array([wilson(hits, units) for hits in range(units + 1)])
    held = (ends[:, 0] <= score) & (score <= ends[:, 1])
    return float(binom.pmf(np.arange(units + 1), units, score)[held].sum())


def by_cluster(units: int, score: float, samples: int, seed: int) -> float:
    """Recall: images of five captions, which are found together more often than not (intraclass correlation 1/3)."""
    generator = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(units), CAPTIONS)
    return share_covered(_recalls(generator, units, score, samples, clusters), score, samples)


def _recalls(
    generator: np.random.Generator, units: int, score: float, samples: int, clusters: np.ndarray
) -> Iterator[Interval]:
    at_once = max(1, min(samples, 2_000_000 // (units * CAPTIONS)))
    for start in range(0, samples, at_once):
        count = min(at_once, samples - start)
        easy = np.repeat(generator.beta(2 * score, 2 * (1 - score), (units, count)), CAPTIONS, axis=0)
        hits = (generator.random(easy.shape) < easy).astype(float)
        yield from clustered_means(hits, clusters, [(0.0, 1.0)] * count, seed=start)


def by_class(units: int, score: float, samples: int, seed: int) -> float:
    """Mean over ten classes whose own scores lie around the true one, classes of unequal size."""
    generator = np.random.default_rng(seed)
    labels = np.sort(np.concatenate([np.arange(CLASSES), generator.integers(0, CLASSES, units - CLASSES)]))
    around = np.clip(score + min(score, 1 - score) * np.linspace(-0.9, 0.9, CLASSES), 0, 1)
    found = (
        mean_per_class((generator.random(units) < around[labels]).astype(float), labels, seed=number)
        for number in range(samples)
    )
    return share_covered(found, float(around.mean()), samples)


def share_covered(found: Iterator[Interval], truth: float, samples: int) -> float:
    return sum(interval.low <= truth <= interval.high for interval in found) / samples


METHODS: dict[str, Callable[[int, float, int, int], float]] = {
    "wilson (computed, not drawn)": wilson_exactly,
    "bootstrap of clusters of five": by_cluster,
    "bootstrap within ten classes": by_class,
}


def judged(units: int, score: float) -> bool:
    return units >= JUDGED_FROM and 0.1 <= score <= 0.9


def run(samples: int, sizes: tuple[int, ...], scores: tuple[float, ...], seed: int = 0) -> list[str]:
    """Print a table for each method; return the judged cells that fail."""
    failed = []
    for name, coverage in METHODS.items():
        print(f"\n{name}: % of {samples:,} samples covered, by independent units and true score")
        print(f"{'':8}" + "".join(f"{score:>9}" for score in scores))
        for units in sizes:
            cells = [coverage(units, score, samples, seed) for score in scores]
            marks = [
                "" if not judged(units, score) else " " if LEAST <= cell <= MOST else "!"
                for cell, score in zip(cells, scores, strict=True)
            ]
            print(f"{units:8,}" + "".join(f"{100 * c:>8.1f}{m or '*'}" for c, m in zip(cells, marks, strict=True)))
            failed += [f"{name}, {units:,}, {score}" for score, mark in zip(scores, marks, strict=True) if mark == "!"]
    print(f"\n* not judged (fewer than {JUDGED_FROM} units, or a score beyond 0.1 to 0.9)")
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = time.perf_counter()
    failed = run(arguments.samples, SIZES, SCORES, arguments.seed)
    print(f"{time.perf_counter() - start:.0f} s; judged cells outside 93 to 97 %: {'; '.join(failed) or 'none'}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
