"""Mean average precision over classes, of images that may show several of them: its interval and its paired test.

Images of equal score share a place: precision is that after all of them, as in scikit-learn's
``average_precision_score``. A class that no image shows is left out of the mean.
"""

from __future__ import annotations

import numpy as np

from goldieval.metrics.draws import blocks
from goldieval.metrics.effective import Spread, jackknife, mean_ends, share_ends
from goldieval.metrics.intervals import Interval, few
from goldieval.metrics.paired_result import Paired, drawn_result

METHOD = "wilson, jackknife of images"
TEST = "paired bootstrap of images"
RESAMPLES = 2_000


def average_precision(scores: np.ndarray, shown: np.ndarray) -> float:
    """Return the mean over the images of a class of the precision at the place of each.

    Args:
        scores: score of each image, (images,).
        shown: whether it shows the class, (images,); at least one does.

    >>> round(average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True])), 4)
    0.8333
    """
    right, found, seen, _ = _places(scores, shown)
    return float((right * found / seen).sum() / right.sum())


def mean_average_precision(scores: np.ndarray, shown: np.ndarray) -> float:
    """Return the mean of average precision over the classes that occur.

    Args:
        scores: (images, classes).
        shown: whether an image shows a class, (images, classes).
    """
    there = np.flatnonzero(shown.any(axis=0))
    return float(np.mean([average_precision(scores[:, each], shown[:, each]) for each in there]))


def without_each_image(scores: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Return mean average precision without each image, (images,).

    Args:
        scores: (images, classes).
        shown: whether an image shows a class, (images, classes).
    """
    there = np.flatnonzero(shown.any(axis=0))
    mean: np.ndarray = np.mean([_without_each(scores[:, each], shown[:, each]) for each in there], axis=0)
    return mean


def _without_each(scores: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Return average precision without each image, (images,); a class with one image keeps its value without it."""
    right, found, seen, place = _places(scores, shown)
    fewer, total = np.maximum(seen - 1, 1), right.sum()
    above = np.concatenate([[0.0], np.cumsum(right * found / seen)[:-1]])
    without_other = above + np.cumsum((right * found / fewer)[::-1])[::-1]
    if total == 1:
        return np.where(shown, (right * found / seen).sum(), without_other[place])
    below = np.append(np.cumsum((right * (found - 1) / fewer)[::-1])[::-1][1:], 0.0)
    without_right = above + (right - 1) * (found - 1) / fewer + below
    return np.where(shown, without_right[place] / (total - 1), without_other[place] / total)


def _places(scores: np.ndarray, shown: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the distinct places of a ranking, the best first, (places,), and the place of each image, (images,).

    Returns:
        Number of images of the class at each place, number of them down to it, number of all images down to it, and
        the place of each image.
    """
    _, place = np.unique(-scores, return_inverse=True)
    right, sizes = np.bincount(place, shown.astype(float)), np.bincount(place)
    return right, np.cumsum(right), np.cumsum(sizes), place


def precision_of_guesses(shown: np.ndarray) -> float:
    """Return the expected mean average precision of random orders of the images.

    Args:
        shown: whether an image shows a class, (images, classes).

    >>> precision_of_guesses(np.array([[True], [False]]))  # the mean of 1 and 1/2
    0.75
    """
    images, of_class = len(shown), shown.sum(axis=0)
    harmonic = (1 / np.arange(1, images + 1)).sum()
    others = (of_class[of_class > 0] - 1) / max(images - 1, 1)
    return float(((harmonic + others * (images - harmonic)) / images).mean())


def interval_of_precision(scores: np.ndarray, shown: np.ndarray) -> Interval:
    """Return mean average precision with its interval.

    Args:
        scores: (images, classes).
        shown: whether an image shows a class, (images, classes).
    """
    value, images, of_class = mean_average_precision(scores, shown), len(scores), shown.sum(axis=0)
    of_class = of_class[of_class > 0]
    spread = jackknife(without_each_image(scores, shown)) if images > 1 else Spread(0.0, 1.0, 1)
    units = len(of_class) ** 2 / float((1 / of_class).sum())  # of equal weight, where nothing varies
    low, high = share_ends(value, spread._replace(units=units))
    doubt = few(int(of_class.min()), "images in the rarest class")
    return Interval(value, low, high, images, images, METHOD, doubt)


def influence_on_precision(scores: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Return the influence of each image on mean average precision, (images,), by the jackknife.

    Args:
        scores: (images, classes).
        shown: whether an image shows a class, (images, classes).
    """
    left = without_each_image(scores, shown)
    moved: np.ndarray = (left.mean() - left) * np.sqrt((len(left) - 1) / len(left))
    return moved


def paired_precision(a: np.ndarray, b: np.ndarray, shown: np.ndarray, resamples: int = RESAMPLES) -> Paired:
    """Compare mean average precision of two models by the bootstrap of images.

    The value of an image, by which gains and losses are counted, is its pseudo-value of the jackknife. Scores of two
    models have no common scale, so that models cannot be exchanged image by image: the null distribution
    is that of the bootstrap about its centre.

    Args:
        a: scores of A, (images, classes).
        b: scores of B.
        shown: whether an image shows a class, (images, classes).
        resamples: number of draws.
    """
    scores = mean_average_precision(a, shown), mean_average_precision(b, shown)
    difference, images = scores[1] - scores[0], len(shown)
    draws = _drawn(a, b, shown, resamples)
    without_a, without_b = without_each_image(a, shown), without_each_image(b, shown)
    of_a, of_b = images * scores[0] - (images - 1) * without_a, images * scores[1] - (images - 1) * without_b
    spread = jackknife(without_b - without_a) if images > 1 else Spread(0.0, 1.0, 1)
    ends = mean_ends(difference, spread, (-1.0, 1.0))
    return drawn_result(of_a, of_b, scores, draws, draws - difference, TEST, spread, ends, images)


def _drawn(a: np.ndarray, b: np.ndarray, shown: np.ndarray, resamples: int) -> np.ndarray:
    """Return the score of B less that of A on drawn images, (resamples,)."""
    generator = np.random.Generator(np.random.PCG64(0))
    images, draws = len(shown), np.empty(resamples)
    for rows in blocks(resamples, 8 * images):
        weights = generator.multinomial(images, np.full(images, 1 / images), rows.stop - rows.start).astype(float)
        draws[rows] = _weighted(b, shown, weights) - _weighted(a, shown, weights)
    return draws


def _weighted(scores: np.ndarray, shown: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return mean average precision by weights of the images, (draws,); a class that a draw lacks is left out.

    Args:
        scores: (images, classes).
        shown: whether an image shows a class, (images, classes).
        weights: (draws, images).
    """
    total, there = np.zeros(len(weights)), np.zeros(len(weights))
    for each in np.flatnonzero(shown.any(axis=0)):
        order = np.argsort(-scores[:, each], kind="stable")
        ranked, right = -scores[order, each], shown[order, each]
        drawn = weights[:, order]
        last = np.searchsorted(ranked, ranked[right], side="right") - 1
        found, seen = (np.cumsum(part, axis=1)[:, last] for part in (drawn * right, drawn))
        own = drawn[:, right]
        size = own.sum(axis=1)
        precision = (own * np.divide(found, seen, out=np.zeros_like(own), where=seen > 0)).sum(axis=1)
        total += np.divide(precision, size, out=np.zeros_like(size), where=size > 0)
        there += size > 0
    mean: np.ndarray = total / np.maximum(there, 1)
    return mean
