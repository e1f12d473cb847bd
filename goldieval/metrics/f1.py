"""Macro F1, the mean over classes of F1 = 2 TP / (images + predictions): its interval and its paired test.

The mean is over the classes that occur, as in WILDS' ``F1`` (scikit-learn's ``f1_score`` with ``labels=unique(true)``).
"""

from __future__ import annotations

from collections.abc import Iterator
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
    generator = np.random.Generator(np.random.PCG64(0))
    draws = np.empty(resamples)
    for rows, number in _parts(resamples, kinds):
        drawn = generator.multinomial(len(labels), counts / len(labels), number)
        draws[rows] = _scores(kinds[[0, 2]], drawn) - _scores(kinds[[0, 1]], drawn)
    swaps = np.empty(resamples)
    exchanged = np.hstack([kinds[[0, 1]], kinds[[0, 2]]])
    for rows, number in _parts(resamples, exchanged):
        kept = generator.binomial(counts, 0.5, (number, len(counts)))
        of_a, of_b = np.hstack([kept, counts - kept]), np.hstack([counts - kept, kept])
        swaps[rows] = _scores(exchanged, of_b) - _scores(exchanged, of_a)
    moved = influence_on_macro_f1(labels, b) - influence_on_macro_f1(labels, a)
    spread = jackknife(moved) if len(labels) > 1 else Spread(0.0, 1.0, 1)
    scores, hits = (macro_f1(labels, a), macro_f1(labels, b)), [(side == labels).astype(float) for side in (a, b)]
    ends = difference_ends(scores[1] - scores[0], float(np.mean((hits[1] - hits[0]) ** 2)), spread)
    found = drawn_result(hits[0], hits[1], scores, draws, swaps, BOOTSTRAP, spread, ends, len(labels))
    repeats = len(labels) - len(np.unique(labels))
    return replace(found, unreliable=found.unreliable or few_repeats(repeats))


def _parts(resamples: int, kinds: np.ndarray) -> Iterator[tuple[slice, int]]:
    """Yield slices of the resamples, with their lengths, that need a bounded amount of memory."""
    for rows in blocks(resamples, 4 * kinds.shape[1]):
        yield rows, rows.stop - rows.start


def _scores(kinds: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return macro F1 of each draw, (draws,); a class that a draw lacks is left out of its mean.

    Args:
        kinds: true and predicted class of each kind of image, (2, kinds).
        drawn: number of images of each kind, (draws, kinds).
    """
    from scipy.sparse import csr_array

    classes, place = int(kinds.max()) + 1, np.arange(kinds.shape[1])
    one = np.ones(len(place))
    of_label, of_prediction = (csr_array((one, (place, side)), (len(place), classes)) for side in kinds)
    right = csr_array(((kinds[0] == kinds[1]).astype(float), (place, kinds[0])), (len(place), classes))
    images, predicted, hits = (np.asarray(drawn @ each) for each in (of_label, of_prediction, right))
    with np.errstate(invalid="ignore"):
        found = np.where(images > 0, 2 * hits / (images + predicted), np.nan)
    scores: np.ndarray = np.nanmean(found, axis=1)
    return scores
