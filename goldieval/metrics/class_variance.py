"""The variance of a mean over classes, where classes may have one sample each.

The variance of a class of n samples is estimated with n - 1 degrees of freedom: with none from a single sample. The
rest is borrowed from the other classes by empirical Bayes with a Dirichlet prior. The mean of the prior is that of
classes of about the same size, as far as these differ from the rest; its strength grows with the similarity of samples
of one class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from goldieval.metrics.effective import SURE, Spread

PRIOR = 5.0  # weight, in pairs of samples, of the assumption that classes do not matter: it damps a few classes of two
APART = 4.0  # ratio of squared difference to its variance from which classes of one size differ from the rest
OCTAVES = 6  # sizes of 2**6 and more form one group


@dataclass(frozen=True)
class ClassVariance:
    """The estimated variance of a mean over classes.

    Attributes:
        spread: variance of that mean.
        repeats: samples beyond the first of each class, on which the estimate rests.
    """

    spread: Spread
    repeats: int


def class_variance(counts: np.ndarray, values: np.ndarray) -> ClassVariance:
    """Return the variance of the mean over classes of a class's mean value.

    Args:
        counts: how often each outcome occurred, (classes, outcomes), at least one in every class; may be fractions.
        values: value of each outcome, (outcomes,), such as 0 and 1 for misses and hits.
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
    """Return the prior mean of the shares of each class, (classes, outcomes).

    Args:
        shares: observed share of each outcome, (classes, outcomes).
        sizes: samples of each class, (classes,).
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
    """Return the weight of the prior in samples: it is small where samples of one class are similar."""
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
    """Return the variance of the values of each row, (rows,)."""
    squares = counts @ values**2 / sizes
    spread: np.ndarray = np.maximum(squares - (counts @ values / sizes) ** 2, 0.0)
    return spread
