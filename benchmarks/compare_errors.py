"""How often does `compare` err: models called different that are not, and differences that it promised to see, missed.

Every simulated comparison has one task for each test: exact McNemar, the same by cluster, recall, mean per class, mean
intersection over union, and three seeds a side. False positives: after Holm, in at most 5 % of comparisons of equal
models any task may be called better or worse, plus two Monte Carlo standard errors. Power: at a true difference as large
as the reported smallest one, 80 % must be seen, within 75 to 87 %. Exits with status 1 where one of these fails.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
from scipy.stats import norm

from goldieval.metrics.intervals import Z80, Z95
from goldieval.metrics.paired import LEVEL, Paired, mcnemar, mean_iou, paired_mean_per_class, paired_means, paired_sums
from goldieval.metrics.pvalues import holm
from goldieval.metrics.seeds import Seeded, seeded

UNITS = 500  # images
CLASSES = 10
SEEDS = 3
SEED_SD = 0.02
RESAMPLES = 2000  # `compare` itself draws more
LEAST_POWER, MOST_POWER = 0.75, 0.87
Found = Paired | Seeded


def hits(generator: np.random.Generator, shape: tuple[int, ...], differences: tuple[float, ...]) -> list[np.ndarray]:
    """Outcomes of models on the same queries, easy and hard ones; each model better by its difference on average."""
    easy = 0.1 + 0.8 * generator.beta(0.7, 0.7, (shape[0], *[1] * (len(shape) - 1)))
    return [(generator.random(shape) < np.clip(easy + each, 0, 1)).astype(float) for each in differences]


def by_mcnemar(generator: np.random.Generator, better: float) -> Found:
    a, b = hits(generator, (2 * UNITS,), (0.0, better))
    return mcnemar(a, b, resamples=RESAMPLES // 4)


def by_mcnemar_of_clusters(generator: np.random.Generator, better: float) -> Found:
    a, b = hits(generator, (UNITS, 4), (0.0, better))
    return mcnemar(a.ravel(), b.ravel(), np.repeat(np.arange(UNITS), 4), resamples=RESAMPLES // 2)


def by_recall(generator: np.random.Generator, better: float) -> Found:
    a, b = hits(generator, (UNITS, 5), (0.0, better))
    return paired_means(a.ravel(), b.ravel(), np.repeat(np.arange(UNITS), 5), resamples=RESAMPLES)


def by_class(generator: np.random.Generator, better: float) -> Found:
    a, b = hits(generator, (2 * UNITS,), (0.0, better))
    return paired_mean_per_class(a, b, np.arange(2 * UNITS) ** 2 % 97 % CLASSES, resamples=RESAMPLES)


def by_iou(generator: np.random.Generator, better: float) -> Found:
    """Each image holds a few classes of very unequal area."""
    there = generator.random((UNITS, CLASSES)) < 0.3
    there[np.arange(UNITS), np.arange(UNITS) % CLASSES] = True
    union = np.where(there, generator.exponential(1000, (UNITS, CLASSES)) + 10, 0)
    easy = generator.beta(2, 2, (UNITS, CLASSES))
    shares = [np.clip(0.5 * easy + 0.5 * generator.beta(2, 2, easy.shape) + each, 0, 1) for each in (0.0, better)]
    sides = [np.hstack([share * union, union]) for share in shares]
    return paired_sums(sides[0], sides[1], mean_iou(CLASSES), resamples=RESAMPLES // 2)


def by_seeds(generator: np.random.Generator, better: float) -> Found:
    """Recipes whose trainings differ from seed to seed by more than their samples do."""
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
    """Return how often each test alone, and any test after Holm, tells equal models apart."""
    generator = np.random.default_rng(seed)
    p = np.array([[test(generator, 0.0).p for test in TESTS.values()] for _ in range(comparisons)])
    alone = dict(zip(TESTS, (p <= LEVEL).mean(axis=0).tolist(), strict=True))
    return alone, float(np.mean([min(holm(row.tolist())) <= LEVEL for row in p]))


def power(name: str, comparisons: int, seed: int, level: float = LEVEL) -> tuple[float, float, float]:
    """Return the smallest difference that is reported, the true one that was simulated, and how often it was seen.

    The shift of the models that gives such a difference is sought first: a shift of clipped probabilities moves scores
    by less.
    """
    generator, test = np.random.default_rng(seed), TESTS[name]
    shift = 0.03
    for pilots in (comparisons // 8, comparisons // 4, comparisons // 2):
        pilot = [test(generator, shift) for _ in range(pilots)]
        wanted = float(np.mean([found.smallest(level) for found in pilot]))
        shift *= wanted / max(float(np.mean([found.difference for found in pilot])), 1e-3)
    runs = [test(generator, shift) for _ in range(comparisons)]
    reported = float(np.mean([found.smallest(level) for found in runs]))
    seen = float(np.mean([found.p <= level and found.difference > 0 for found in runs]))
    return reported, float(np.mean([found.difference for found in runs])), seen


def at_the_reported(reported: float, true: float, seen: float) -> float:
    """Return the power at the reported difference, from that at a true one close by (normal approximation)."""
    return float(norm.cdf(norm.ppf(seen) + (Z95 + Z80) * (1 - true / reported)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=500)
    parser.add_argument("--power-comparisons", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = time.perf_counter()
    alone, family = false_positives(arguments.comparisons, arguments.seed)
    most = LEVEL + 2 * float(np.sqrt(LEVEL * (1 - LEVEL) / arguments.comparisons))
    print(
        f"equal models, {arguments.comparisons:,} comparisons of {len(TESTS)} tasks; at most {100 * most:.1f} % allowed"
    )
    for name, rate in alone.items():
        print(f"  {name:36} {100 * rate:5.1f} % called different, alone")
    print(f"  {'any of them, after Holm':36} {100 * family:5.1f} %", flush=True)
    print(
        f"\n{'':36}{'reported':>10}{'true':>8}{'seen':>8}{'there':>8}   ({arguments.power_comparisons:,} comparisons, 80 % promised)"
    )
    missed = []
    for name in TESTS:
        reported, true, seen = power(name, arguments.power_comparisons, arguments.seed + 1)
        there = at_the_reported(reported, true, seen)
        print(f"{name:36}{100 * reported:10.2f}{100 * true:8.2f}{100 * seen:7.1f}%{100 * there:7.1f}%", flush=True)
        missed += [name] if not LEAST_POWER <= there <= MOST_POWER else []
    print("there: the power at the reported difference, from that at the true one close by")
    print(f"{time.perf_counter() - start:.0f} s")
    if missed:
        print(f"power outside {100 * LEAST_POWER:.0f} to {100 * MOST_POWER:.0f} %: {'; '.join(missed)}")
    return int(bool(missed) or family > most or max(alone.values()) > most)


if __name__ == "__main__":
    sys.exit(main())
