"""The error rates of `compare`: equal models that are called different, and detectable differences that are missed.

Every simulated comparison has one task for each test: exact McNemar, the same by cluster, recall, mean per class, mean
intersection over union, and three seeds per side. False positives: after Holm's adjustment, any task is called better or
worse in at most 5 % of the comparisons of equal models, plus two Monte Carlo standard errors. Power: a true difference of
the reported minimum detectable difference is detected in 80 %, within three Monte Carlo standard errors, and at most in
85 %. Exits with status 1 if one of these fails.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
from scipy.stats import norm

from goldieval.metrics.miou import mean_iou_of_sums
from goldieval.metrics.paired import mcnemar, paired_means, paired_sums
from goldieval.metrics.paired_classes import paired_mean_per_class
from goldieval.metrics.paired_result import LEVEL, Paired
from goldieval.metrics.pvalues import holm
from goldieval.metrics.seeds import Seeded, seeded

UNITS = 500  # images
CLASSES = 10
SEEDS = 3
SEED_SD = 0.02
RESAMPLES = 2000  # `compare` itself draws more
MOST_POWER = 0.85
POWER_SEED = 11
Found = Paired | Seeded


def hits(generator: np.random.Generator, shape: tuple[int, ...], differences: tuple[float, ...]) -> list[np.ndarray]:
    """Outcomes of models on the same easy and hard queries; each model is better by its difference on average."""
    easy = 0.1 + 0.8 * generator.beta(0.7, 0.7, (shape[0], *[1] * (len(shape) - 1)))
    return [(generator.random(shape) < np.clip(easy + each, 0, 1)).astype(float) for each in differences]


def by_mcnemar(generator: np.random.Generator, better: float) -> Found:
    a, b = hits(generator, (2 * UNITS,), (0.0, better))
    return mcnemar(a, b)


def by_mcnemar_of_clusters(generator: np.random.Generator, better: float) -> Found:
    a, b = hits(generator, (UNITS, 4), (0.0, better))
    return mcnemar(a.ravel(), b.ravel(), np.repeat(np.arange(UNITS), 4))


def by_recall(generator: np.random.Generator, better: float) -> Found:
    a, b = hits(generator, (UNITS, 5), (0.0, better))
    return paired_means(a.ravel(), b.ravel(), np.repeat(np.arange(UNITS), 5), resamples=RESAMPLES)


def by_class(generator: np.random.Generator, better: float) -> Found:
    a, b = hits(generator, (2 * UNITS,), (0.0, better))
    return paired_mean_per_class(a, b, np.arange(2 * UNITS) ** 2 % 97 % CLASSES, resamples=RESAMPLES)


def by_iou(generator: np.random.Generator, better: float) -> Found:
    """Each image contains a few classes of very unequal area."""
    there = generator.random((UNITS, CLASSES)) < 0.3
    there[np.arange(UNITS), np.arange(UNITS) % CLASSES] = True
    union = np.where(there, generator.exponential(1000, (UNITS, CLASSES)) + 10, 0)
    easy = generator.beta(2, 2, (UNITS, CLASSES))
    shares = [np.clip(0.5 * easy + 0.5 * generator.beta(2, 2, easy.shape) + each, 0, 1) for each in (0.0, better)]
    sides = [np.hstack([share * union, union]) for share in shares]
    return paired_sums(sides[0], sides[1], mean_iou_of_sums, resamples=RESAMPLES // 2)


def by_seeds(generator: np.random.Generator, better: float) -> Found:
    """Recipes whose variance over seeds is larger than that over samples."""
    moved = generator.normal(0, SEED_SD, 2 * SEEDS) + np.repeat([0.0, better], SEEDS)
    outcomes = np.stack(hits(generator, (2 * UNITS,), tuple(moved)), axis=1)
    scores, influence = outcomes.mean(axis=0), (outcomes - outcomes.mean(axis=0)) / len(outcomes)
    return seeded(scores[:SEEDS], scores[SEEDS:], influence[:, :SEEDS], influence[:, SEEDS:])


TESTS: dict[str, Callable[[np.random.Generator, float], Found]] = {
    "exact McNemar, 1,000 images": by_mcnemar,
    "exact McNemar by cluster, 500 x 4": by_mcnemar_of_clusters,
    "recall, 500 images x 5 captions": by_recall,
    "mean per class, 10 classes": by_class,
    "mean intersection over union": by_iou,
    "3 and 3 seeds, 1,000 images": by_seeds,
}


def false_positives(comparisons: int, seed: int) -> tuple[dict[str, float], float]:
    """Return how often each test alone, and any test after Holm, calls equal models different."""
    generator = np.random.default_rng(seed)
    p = np.array([[test(generator, 0.0).p for test in TESTS.values()] for _ in range(comparisons)])
    alone = dict(zip(TESTS, (p <= LEVEL).mean(axis=0).tolist(), strict=True))
    return alone, float(np.mean([min(holm(row.tolist())) <= LEVEL for row in p]))


SHIFTS = dict(zip(TESTS, (0.0545, 0.042, 0.0385, 0.064, 0.017, 0.085), strict=True))
"""Shifts of the models that change their scores by about the reported minimum detectable difference."""


def power(name: str, comparisons: int, seed: int, level: float = LEVEL) -> tuple[float, float, float, float]:
    """Measure the power of one test.

    The true difference is only close to the reported one. The rest is corrected by the normal approximation, with the mean of
    the simulated differences: where it is larger by chance, the difference is also detected more often by chance.

    Returns:
        The reported minimum detectable difference, the true difference, how often the latter was detected, and how often
        the former would be.
    """
    generator, test = np.random.default_rng(seed), TESTS[name]
    runs = [test(generator, SHIFTS[name]) for _ in range(comparisons)]
    reported = float(np.mean([found.minimum_detectable_difference(level) for found in runs]))
    differences = np.array([found.difference for found in runs])
    seen = float(np.mean([found.p <= level and found.difference > 0 for found in runs]))
    there = norm.cdf(norm.ppf(seen) + (reported - differences.mean()) / differences.std())
    return reported, float(differences.mean()), seen, float(there)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=500)
    parser.add_argument("--power-comparisons", type=int, default=700)
    parser.add_argument("--power-of", choices=TESTS, nargs="+", help="only the power, and only of these")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = time.perf_counter()
    erred = not arguments.power_of and not print_false_positives(arguments)
    missed = print_power(arguments)
    print(f"{time.perf_counter() - start:.0f} s")
    if missed:
        print(f"power not as promised: {'; '.join(missed)}")
    return int(bool(missed) or erred)


def print_false_positives(arguments: argparse.Namespace) -> bool:
    """Return whether the rate of false positives is within its limit."""
    alone, family = false_positives(arguments.comparisons, arguments.seed)
    most = LEVEL + 2 * float(np.sqrt(LEVEL * (1 - LEVEL) / arguments.comparisons))
    print(
        f"equal models, {arguments.comparisons:,} comparisons of {len(TESTS)} tasks; at most {100 * most:.1f} % allowed"
    )
    for name, rate in alone.items():
        print(f"  {name:36} {100 * rate:5.1f} % called different, alone")
    print(f"  {'any of them, after Holm':36} {100 * family:5.1f} %", flush=True)
    return max(family, *alone.values()) <= most


def print_power(arguments: argparse.Namespace) -> list[str]:
    """Return the tests whose power is outside its limits."""
    count = arguments.power_comparisons
    least, missed = 0.8 - 3 * float(np.sqrt(0.16 / count)), []
    print(f"\n{'':36}{'reported':>10}{'true':>8}{'seen':>8}{'there':>8}   ({count:,} comparisons, 80 % promised)")
    for name in arguments.power_of or TESTS:
        reported, true, seen, there = power(name, count, arguments.seed + POWER_SEED)
        print(f"{name:36}{100 * reported:10.2f}{100 * true:8.2f}{100 * seen:7.1f}%{100 * there:7.1f}%", flush=True)
        missed += [] if least <= there <= MOST_POWER else [name]
    print("there: the power at the reported difference, from that at the true one close by")
    return missed


if __name__ == "__main__":
    sys.exit(main())
