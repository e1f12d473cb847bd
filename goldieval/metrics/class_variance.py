"""The variance of a mean over classes, where classes may have one sample each.

A class of n samples tells its own variance with n - 1 degrees of freedom: of a single sample nothing, of two next to
nothing. What it does not tell comes from the other classes: empirical Bayes with a Dirichlet prior. The prior's mean is
that of classes of about the same size, as far as they differ from the rest; its strength is how alike samples of one
class are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from goldieval.metrics.effective import SURE, Spread

PRIOR = 5.0  # so many pairs of samples whose classes say nothing: what few classes of two show is not taken at its word
APART = 4.0  # classes of a size differ from the rest where the squared difference is so many times its variance
OCTAVES = 6  # sizes from 2**6 on are one group


@dataclass(frozen=True)
class ClassVariance:
    """What samples say of the variance of a mean over classes.

    spread: of that mean.   repeats: samples beyond the first of each class; they are all that tells of variance.
    """

    spread: Spread
    repeats: int


def class_variance(counts: np.ndarray, values: np.ndarray) -> ClassVariance:
    """Return the variance of the mean over classes of a class's mean value.

    Args:
        counts: (classes, outcomes) how often each outcome came, at least one in every class; may be fractions.
        values: (outcomes,) of each outcome, as 0 and 1 for misses and hits.
    """
    sizes = counts.sum(axis=1)
    prior = _prior_means(counts / sizes[:, None], sizes)
    strength = _strength(counts, sizes, values, prior)
    alpha, size = strength * prior + counts, strength + sizes
    variance = _moments(alpha, values, size) * size / (size + 1)  # expected under the posterior
    parts = variance / sizes
    own = np.maximum(sizes - 1 + strength / 2, 0.5)
    squares = float((parts**2 / own).sum())
    freedom = float(parts.sum() ** 2 / squares) if squares > 0 else SURE
    units = len(sizes) ** 2 / float((1 / sizes).sum())  # outcomes of equal weight with the same variance
    return ClassVariance(Spread(float(parts.sum()) / len(sizes) ** 2, freedom, units), round(float((sizes - 1).sum())))


def _prior_means(shares: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return what is expected of each class before its samples are seen, shape (classes, outcomes).

    Args:
        shares: (classes, outcomes).   sizes: (classes,).
    """
    mean = shares.mean(axis=0)
    single = float((mean * (1 - mean)).sum())
    prior = np.tile(mean, (len(sizes), 1))
    octaves = np.minimum(np.floor(np.log2(sizes)), OCTAVES)
    for octave in np.unique(octaves):
        there = octaves == octave
        away = shares[there].mean(axis=0) - mean
        noise = single * float((1 / sizes[there]).sum()) / int(there.sum()) ** 2
        squared = float((away**2).sum())
        if squared > APART * noise:
            prior[there] = mean + (1 - APART * noise / squared) * away
    return prior


def _strength(counts: np.ndarray, sizes: np.ndarray, values: np.ndarray, prior: np.ndarray) -> float:
    """Return how many samples the prior is worth: the fewer, the more alike are samples of one class."""
    repeated = sizes > 1
    weights = 1 - 1 / sizes[repeated]
    within = _moments(counts[repeated], values, sizes[repeated]) / weights
    expected = _moments(prior, values, np.ones(len(sizes)))
    mean = (counts / sizes[:, None]).mean(axis=0, keepdims=True)
    added = PRIOR / 2 * float(_moments(mean, values, np.ones(1))[0])
    known = float(weights @ expected[repeated]) + added
    share = (float(weights @ within) + added) / known if known > 0 else 1.0
    share = min(max(share, 1e-3), 1 - 1e-6)  # of the variance that lies within classes
    return share / (1 - share)


def _moments(counts: np.ndarray, values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the mean square of values less the square of their mean, by row."""
    squares = counts @ values**2 / sizes
    spread: np.ndarray = np.maximum(squares - (counts @ values / sizes) ** 2, 0.0)
    return spread
