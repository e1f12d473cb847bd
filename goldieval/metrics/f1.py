"""Macro F1, the mean over classes of F1 = 2 TP / (images + predictions): its interval and its paired test.

The mean is over the classes that occur, as in WILDS' ``F1`` (scikit-learn's ``f1_score`` with ``labels=unique(true)``).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from goldieval.metrics.draws import blocks
from goldieval.metrics.effective import Spread, difference_ends, jackknife, share_ends
from goldieval.metrics.intervals import Interval, few_repeats
from goldieval.metrics.paired import BOOTSTRAP, RESAMPLES
from goldieval.metrics.paired_result import Paired, drawn_result

METHOD = "wilson, variance of the linear expansion"


def f1_by_class(labels: np.ndarray, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return F1 of each class, NaN for one without images, and its number of images; both (classes,).

    Args:
        labels: true class of each image, (images,).
        predictions: predicted class of each image, (images,).

    >>> f1_by_class(np.array([0, 0, 1]), np.array([0, 2, 1]))[0].round(3).tolist()
    [0.667, 1.0, nan]
    """
    classes = int(max(labels.max(), predictions.max())) + 1
    images, predicted = np.bincount(labels, minlength=classes), np.bincount(predictions, minlength=classes)
    right = np.bincount(labels[labels == predictions], minlength=classes)
    with np.errstate(invalid="ignore"):
        return np.where(images > 0, 2 * right / (images + predicted), np.nan), images


def macro_f1(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Return the mean of F1 over the classes that occur.

    Args:
        labels: true class of each image, (images,).
        predictions: predicted class of each image, (images,).
    """
    return float(np.nanmean(f1_by_class(labels, predictions)[0]))


def macro_f1_interval(labels: np.ndarray, predictions: np.ndarray) -> Interval:
    """Return macro F1 with its interval.

    Args:
        labels: true class of each image, (images,).
        predictions: predicted class of each image, (images,).
    """
    scores, images = f1_by_class(labels, predictions)
    present = images > 0
    value = float(scores[present].mean())
    units = present.sum() ** 2 / float((1 / images[present]).sum())  # outcomes of equal weight with the same variance
    spread = jackknife(influence_on_macro_f1(labels, predictions)) if len(labels) > 1 else Spread(0.0, 1.0, 1)
    low, high = share_ends(value, spread._replace(units=units))
    doubt = few_repeats(int((images[present] - 1).sum()))
    return Interval(value, low, high, len(labels), len(labels), METHOD, doubt)


def influence_on_macro_f1(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return the influence of each image on macro F1, (images,): the derivative by its weight.

    A class with one image shows no variance of its own; that of its score about the mean of all classes bounds it.

    Args:
        labels: true class of each image, (images,).
        predictions: predicted class of each image, (images,).
    """
    scores, images = f1_by_class(labels, predictions)
    size = images + np.bincount(predictions, minlength=len(images))
    there, known = images > 0, np.nan_to_num(scores)
    scale = np.where(there, 1 / (np.maximum(size, 1) * there.sum()), 0.0)
    moved: np.ndarray = 2 * (labels == predictions) * scale[labels]
    moved = moved - (known * scale)[labels] - (known * scale)[predictions]
    single = images[labels] == 1
    alone = (known[labels] - np.nanmean(scores)) / there.sum()
    return np.where(single, np.sign(alone) * np.hypot(moved, alone), moved)


def f1_of_guesses(labels: np.ndarray, classes: int) -> float:
    """Return macro F1 of guesses that are uniform over the classes, from expected counts.

    Args:
        labels: true class of each image, (images,).
        classes: number of classes.

    >>> round(f1_of_guesses(np.repeat([0, 1], 50), 2), 3), round(f1_of_guesses(np.repeat([0, 1], [90, 10]), 2), 3)
    (0.5, 0.405)
    """
    images = np.bincount(labels)
    images = images[images > 0]
    return float((2 * images / (classes * images + len(labels))).mean())


def paired_macro_f1(labels: np.ndarray, a: np.ndarray, b: np.ndarray, resamples: int = RESAMPLES) -> Paired:
    """Compare macro F1 of two models by the paired bootstrap of images.

    Images of one class that both models predict alike are drawn together, by their number.

    Args:
        labels: true class of each image, (images,).
        a: class that A predicts for each image, (images,).
        b: class that B predicts.
        resamples: number of draws.
    """
    kinds, counts = np.unique(np.stack([labels, a, b]), axis=1, return_counts=True)
    draws, swaps = _bootstrap(kinds, counts, resamples), _exchanged(kinds, counts, resamples)
    moved = influence_on_macro_f1(labels, b) - influence_on_macro_f1(labels, a)
    spread = jackknife(moved) if len(labels) > 1 else Spread(0.0, 1.0, 1)
    scores = macro_f1(labels, a), macro_f1(labels, b)
    hits = [(side == labels).astype(float) for side in (a, b)]
    ends = difference_ends(scores[1] - scores[0], float(np.mean((hits[1] - hits[0]) ** 2)), spread)
    found = drawn_result(hits[0], hits[1], scores, draws, swaps, BOOTSTRAP, spread, ends, len(labels))
    repeats = len(labels) - len(np.unique(labels))
    return replace(found, unreliable=found.unreliable or few_repeats(repeats))


def _bootstrap(kinds: np.ndarray, counts: np.ndarray, resamples: int) -> np.ndarray:
    """Return macro F1 of B less that of A of drawn images, (resamples,).

    Args:
        kinds: true class, and the classes that A and B predict, of each kind of image, (3, kinds).
        counts: number of images of each kind, (kinds,).
        resamples: number of draws.
    """
    generator = np.random.Generator(np.random.PCG64(0))
    of_a, of_b = _Sums(kinds[0], kinds[1], kinds), _Sums(kinds[0], kinds[2], kinds)
    total, draws = int(counts.sum()), np.empty(resamples)
    for rows in blocks(resamples, 4 * len(counts)):
        drawn = generator.multinomial(total, counts / total, rows.stop - rows.start)
        images = drawn @ of_a.by_label
        draws[rows] = _mean_f1(*of_b.sums(drawn), images) - _mean_f1(*of_a.sums(drawn), images)
    return draws


def _exchanged(kinds: np.ndarray, counts: np.ndarray, resamples: int) -> np.ndarray:
    """Return macro F1 of B less that of A with their predictions exchanged at random, (resamples,).

    Args:
        kinds: as for ``_bootstrap``.
        counts: number of images of each kind, (kinds,).
        resamples: number of draws.
    """
    generator = np.random.Generator(np.random.PCG64(1))
    differ, every = kinds[1] != kinds[2], _Sums(kinds[0], kinds[1], kinds)
    (right, predicted), images = every.sums((counts * ~differ)[None]), counts[None] @ every.by_label
    of_a, of_b = (_Sums(kinds[0, differ], kinds[side, differ], kinds) for side in (1, 2))
    swaps = np.empty(resamples)
    for rows in blocks(resamples, 4 * max(1, int(differ.sum()))):
        kept = generator.binomial(counts[differ], 0.5, (rows.stop - rows.start, int(differ.sum())))
        sides = []
        for number in (kept, counts[differ] - kept):  # of images that a side answers as A does
            a, b = of_a.sums(number), of_b.sums(counts[differ] - number)
            sides.append(_mean_f1(right + a[0] + b[0], predicted + a[1] + b[1], images))
        swaps[rows] = sides[1] - sides[0]
    return swaps


class _Sums:
    """Sums over drawn images, by class.

    Attributes:
        by_label: adds up the images of each true class, (kinds, classes).
        by_prediction: adds up those of each predicted class.
        right: adds up those whose prediction is right.
    """

    def __init__(self, labels: np.ndarray, predictions: np.ndarray, kinds: np.ndarray) -> None:
        """Prepare the sums.

        Args:
            labels: true class of each kind of image, (kinds,).
            predictions: predicted class of each kind.
            kinds: all classes that occur.
        """
        from scipy.sparse import csr_array

        place, shape = np.arange(len(labels)), (len(labels), int(kinds.max()) + 1)
        one, hits = np.ones(len(labels)), (labels == predictions).astype(float)
        self.by_label, self.by_prediction, self.right = (
            csr_array((values, (place, side)), shape)
            for values, side in ((one, labels), (one, predictions), (hits, labels))
        )

    def sums(self, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return hits and predictions of each class, (draws, classes), from the number of each kind, (draws, kinds)."""
        return drawn @ self.right, drawn @ self.by_prediction


def _mean_f1(hits: np.ndarray, predicted: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return macro F1 of each draw, (draws,), from sums, (draws, classes); a class that a draw lacks is left out."""
    there = images > 0
    scores = np.divide(2 * hits, images + predicted, out=np.zeros(np.broadcast(hits, images).shape), where=there)
    mean: np.ndarray = (scores * there).sum(axis=1) / there.sum(axis=1)
    return mean
