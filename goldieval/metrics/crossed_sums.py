"""Scores of sums over images, such as mean intersection over union, of several heads that were trained by other seeds.

Every head predicts every image. The score is the mean over heads; its variance is the sum of a part by the choice of
images, a part by the choice of seeds, and the rest, as in ``metrics.crossed``. Pseudo-values of the jackknife take the
place of outcomes, since the score of a head is not a mean over images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t as student

from goldieval.metrics.draws import resampled
from goldieval.metrics.effective import NONE, SURE, Spread, jackknife, mean_ends, share_ends
from goldieval.metrics.intervals import Interval, few
from goldieval.metrics.miou import NOTHING, Doubt, unsure
from goldieval.metrics.paired_result import Paired, paired_result
from goldieval.metrics.pvalues import bootstrap_p, swap_p
from goldieval.metrics.tails import bootstrap_tail, swap_tail

RESAMPLES = 4_000
BOOTSTRAP = "paired bootstrap of images and seeds"
ONE_SEED = "one seed: how much the choice of it matters is not known"
Statistic = Callable[[np.ndarray], np.ndarray]  # sums (draws, columns) to scores (draws,)


@dataclass(frozen=True)
class Sources:
    """The variance of a mean over heads.

    Attributes:
        spread: in all, with Satterthwaite's degrees of freedom.
        of_images: by the choice of images, which contains the rest.
        of_seeds: by the choice of seeds, which contains the rest.
    """

    spread: Spread
    of_images: float
    of_seeds: float


def sources(scores: np.ndarray, without: np.ndarray) -> Sources:
    """Return the variance of the mean of scores, by source.

    Args:
        scores: of each head, (seeds,).
        without: score of each head without each image, (images, seeds).
    """
    images, seeds = without.shape
    by_image = jackknife(without.mean(axis=1)) if images > 1 else Spread(0.0, 1.0, 1)
    if seeds == 1:
        return Sources(by_image, by_image.variance, 0.0)
    of_seeds = float(scores.var(ddof=1)) / seeds
    rest = without - without.mean(axis=1, keepdims=True) - without.mean(axis=0) + without.mean()
    twice = float((rest**2).sum()) * (images - 1) / (seeds - 1) / (images * seeds)  # is in both parts
    variance = max(by_image.variance + of_seeds - twice, by_image.variance, of_seeds)
    squares = by_image.variance**2 / max(by_image.freedom, 1.0) + of_seeds**2 / (seeds - 1)
    freedom = variance**2 / squares if variance > NONE else SURE
    return Sources(Spread(variance, freedom, images), by_image.variance, of_seeds)


def crossed_interval(
    score: Statistic, areas: np.ndarray, images_per_class: np.ndarray | None = None, bounded: bool = True
) -> Interval:
    """Return the mean over heads of a score of sums, with its interval over images and seeds.

    Args:
        score: from sums (draws, columns) to scores (draws,).
        areas: what is added up, of each image and head, (images, seeds, columns).
        images_per_class: images that show each class, (classes,), of a mean over classes; it has no interval where too
            many classes are rare.
        bounded: whether scores are shares in 0..1, unlike errors in metres.
    """
    count, seeds, _ = areas.shape
    each = scores_of(score, areas)
    value, shown = float(each.mean()), tuple(float(number) for number in each)
    doubt = Doubt() if images_per_class is None else unsure(images_per_class)
    if doubt.hopeless or count < 2:
        reason = doubt.reason or few(count, "images")
        return Interval(value, None, None, count, count, NOTHING, reason, seed_scores=shown)
    found = sources(each, scores_without(score, areas))
    low, high = share_ends(value, found.spread) if bounded else mean_ends(value, found.spread, (0.0, np.inf))
    return Interval(
        value,
        low,
        high,
        count,
        count,
        f"jackknife of images, with the variance between {seeds} seeds" if seeds > 1 else "jackknife of images",
        few(count, "images") or doubt.reason or (ONE_SEED if seeds == 1 else ""),
        seed_scores=shown,
        sample_error=float(np.sqrt(found.of_images)),
        seed_error=float(np.sqrt(found.of_seeds)) if seeds > 1 else None,
    )


def paired_crossed_sums(
    a: np.ndarray,
    b: np.ndarray,
    score: Statistic,
    doubt: Doubt = Doubt(),
    resamples: int = RESAMPLES,
    bounds: tuple[float, float] = (-1.0, 1.0),
) -> Paired:
    """Compare two models whose heads were trained with the same seeds, on the same images.

    Images and seeds are both drawn anew by the bootstrap, and models are exchanged for whole images. Since a bootstrap
    of a few seeds is too narrow, the p-value is at least that of Student's t with the variance of both sources.

    Args:
        a: what is added up of A, (images, seeds, columns).
        b: the same of B.
        score: from sums (draws, columns) to scores (draws,).
        doubt: whether the interval can be trusted, see ``miou.unsure``.
        resamples: number of draws.
        bounds: lowest and highest possible difference.
    """
    images, seeds, _ = a.shape
    of_a, of_b = scores_of(score, a), scores_of(score, b)
    moved = of_b - of_a
    difference = float(moved.mean())
    spread = sources(moved, scores_without(score, b) - scores_without(score, a)).spread
    draws, swaps = _drawn(a, b, score, resamples), _swapped(a, b, score, resamples)
    p = max(bootstrap_p(draws), swap_p(swaps, difference), _student_p(difference, spread))
    ends = None if doubt.hopeless else mean_ends(difference, spread, bounds)
    singles = [np.stack([score(side[:, seed].astype(float)) for seed in range(seeds)]).mean(axis=0) for side in (a, b)]
    scores = (float(of_a.mean()), float(of_b.mean()))
    found = paired_result(singles[0], singles[1], scores, p, BOOTSTRAP, spread, ends, images)
    return replace(
        found,
        unreliable=doubt.reason or found.unreliable or (ONE_SEED if seeds == 1 else ""),
        exchange=swap_tail(swaps),
        bootstrap=bootstrap_tail(draws, difference),
    )


def scores_of(score: Statistic, areas: np.ndarray) -> np.ndarray:
    """Return the score of each head, (seeds,), from (images, seeds, columns)."""
    return score(areas.sum(axis=0).astype(float))


def scores_without(score: Statistic, areas: np.ndarray) -> np.ndarray:
    """Return the score of each head without each image, (images, seeds), from (images, seeds, columns)."""
    total = areas.sum(axis=0).astype(float)
    return np.stack([score(total[seed] - areas[:, seed]) for seed in range(areas.shape[1])], axis=1)


def _drawn(a: np.ndarray, b: np.ndarray, score: Statistic, resamples: int) -> np.ndarray:
    """Return the difference of each draw of images, the same ones for all heads, and of seeds, (resamples,)."""
    seeds = a.shape[1]
    generator = np.random.Generator(np.random.PCG64(2))
    weights = generator.multinomial(seeds, np.full(seeds, 1 / seeds), resamples)
    draws = np.zeros(resamples)
    for seed in range(seeds):
        of_a, of_b = (score(resampled(side[:, seed], resamples=resamples)) for side in (a, b))
        draws += weights[:, seed] / seeds * (of_b - of_a)
    return draws


def _swapped(a: np.ndarray, b: np.ndarray, score: Statistic, resamples: int) -> np.ndarray:
    """Return differences of models that are exchanged for whole images, with all of their heads, (resamples,)."""
    images, seeds, _ = a.shape
    generator = np.random.Generator(np.random.PCG64(1))
    signs = 2.0 * generator.integers(0, 2, (resamples, images), dtype=np.int8) - 1.0
    swaps = np.zeros(resamples)
    for seed in range(seeds):
        both = (a[:, seed] + b[:, seed]).sum(axis=0).astype(float)
        moved = signs @ (b[:, seed] - a[:, seed]).astype(float)
        swaps += (score((both + moved) / 2) - score((both - moved) / 2)) / seeds
    return swaps


def _student_p(difference: float, spread: Spread) -> float:
    if spread.variance <= NONE:
        return 0.0
    return float(2 * student.sf(abs(difference) / np.sqrt(spread.variance), max(spread.freedom, 1.0)))
