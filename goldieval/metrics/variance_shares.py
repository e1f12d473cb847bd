"""Shares of the variance of a feature vector that attributes explain, in a balanced design with many attributes.

Every pair of levels of two attributes must occur equally often. Then sums of squares between the levels of different
attributes add up exactly, and the share of one does not depend on which others are considered. Shares are omega
squared (Hays, 1963): what chance would explain with so many levels is taken off, so that an attribute without effect
has 0 on average, and may come out slightly below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from goldieval.core.units import one_thread

REST = "rest"
RESAMPLES, PERMUTATIONS = 100, 100
NORMAL = 1.96  # standard errors to either side of a 95 % interval
Factors = Mapping[str, Sequence[np.ndarray]]


@dataclass(frozen=True)
class Share:
    """A share of the variance.

    Attributes:
        value: the share, a fraction; an estimate near 0 may be negative.
        low: lower end of its 95 % interval.
        high: upper end.
        chance: 95 % of all assignments of the same labels at random give less than this; None for what is left over.
    """

    value: float
    low: float
    high: float
    chance: float | None = None

    @property
    def half(self) -> float:
        """Half of the width of the interval."""
        return (self.high - self.low) / 2


def named_shares(
    names: Sequence[str], values: np.ndarray, errors: np.ndarray, chance: Sequence[float | None]
) -> dict[str, Share]:
    """Return estimates by name, each with its interval.

    Args:
        names: n names.
        values: the shares, (n,).
        errors: their standard errors, (n,).
        chance: what 95 % of random assignments stay below; None for what is left over.
    """
    return {
        name: Share(float(value), float(value - NORMAL * error), float(value + NORMAL * error), limit)
        for name, value, error, limit in zip(names, values, errors, chance, strict=True)
    }


def factorial_shares(features: np.ndarray, factors: Factors, parts: Factors | None = None) -> dict[str, Share]:
    """Return the share of the variance, summed over dimensions, of every attribute, and of the rest.

    Intervals come from a bootstrap of residuals, which keeps the design balanced; chance from permuted labels.

    Args:
        features: (samples, dim).
        factors: main effects of each attribute, as level numbers from 0, (samples,); the share of an attribute with
            several, such as the colours of two objects, is their sum.
        parts: what further shares are wanted of attributes that are parts of those in ``factors``, such as the colour
            of the background if there is a factor for all backgrounds; not subtracted from the rest.

    Raises:
        ValueError: the design is not balanced, or all features are equal.
    """
    sums = _SumsOfSquares(factors, parts or {})
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    if not (centred**2).sum() > 0:
        raise ValueError("all features are equal")
    with one_thread():  # small products wait for threads longer than they take, and must not round by their number
        values = sums.shares(centred)
        spread = np.std(list(_bootstrapped(sums, centred)), axis=0, ddof=1)
        chance = np.quantile(list(_permuted(sums, centred)), 0.95, axis=0)
    limits: list[float | None] = [float(limit) for limit in chance]
    limits[sums.names.index(REST)] = None
    return named_shares(sums.names, values, spread, limits)


class _SumsOfSquares:
    """Sums of squares of a design, from the means of all its levels, which one matrix product computes."""

    def __init__(self, factors: Factors, parts: Factors) -> None:
        self._effects = [(name, codes) for each in (factors, parts) for name in each for codes in each[name]]
        self._main = sum(len(codes) for codes in factors.values())
        self.names = [*factors, *parts, REST]
        self._averaging, self._starts = _averaging([codes for _, codes in self._effects])
        self._levels = np.diff([*self._starts, len(self._averaging)])
        self._freedom = self._levels - 1
        check_balance(list(factors.values()))

    def means(self, centred: np.ndarray) -> np.ndarray:
        """Return the mean of the features of every level of every effect, (levels, dim)."""
        return np.asarray(self._averaging @ centred)

    def fitted(self, centred: np.ndarray) -> np.ndarray:
        """Return what all attributes together say of every sample, (samples, dim)."""
        last = int(self._levels[: self._main].sum())
        count = self._averaging.shape[1]
        members = self._averaging[:last].T * (count / np.repeat(self._levels, self._levels)[:last])
        return np.asarray(members @ self.means(centred)[:last])

    @property
    def residual_freedom(self) -> int:
        return int(self._averaging.shape[1] - 1 - self._freedom[: self._main].sum())

    def shares(self, centred: np.ndarray) -> np.ndarray:
        """Return omega squared in the order of ``names``."""
        count, total = len(centred), float((centred**2).sum())
        squares = (self.means(centred) ** 2).sum(axis=1) * count / np.repeat(self._levels, self._levels)
        between = np.add.reduceat(squares, self._starts)
        noise = (total - between[: self._main].sum()) / self.residual_freedom
        effects = (between - self._freedom * noise) / (total + noise)
        named = dict.fromkeys(self.names, 0.0)
        for (name, _), effect in zip(self._effects, effects, strict=True):
            named[name] += float(effect)
        named[REST] = 1 - float(effects[: self._main].sum())
        return np.array([named[name] for name in self.names])


def _averaging(effects: Sequence[np.ndarray]) -> tuple[np.ndarray, list[int]]:
    """Return the matrix that averages over each level, (levels, samples), and the first row of each effect."""
    rows = [(codes == np.arange(codes.max() + 1)[:, None]).astype(np.float64) for codes in effects]
    starts = [0, *np.cumsum([len(each) for each in rows])[:-1].tolist()]
    return np.concatenate([each / each.sum(axis=1, keepdims=True) for each in rows]), starts


def check_balance(factors: Sequence[Sequence[np.ndarray]]) -> None:
    """Check that every pair of levels of two main effects occurs equally often.

    Raises:
        ValueError: it does not.
    """
    effects = [codes for each in factors for codes in each]
    for number, one in enumerate(effects):
        for other in effects[:number]:
            counts = np.bincount(one * (other.max() + 1) + other, minlength=(one.max() + 1) * (other.max() + 1))
            if counts.min() != counts.max():
                raise ValueError("the design is not balanced: some pairs of levels are more frequent than others")


def _bootstrapped(sums: _SumsOfSquares, centred: np.ndarray) -> Iterator[np.ndarray]:
    """Yield shares of features made of what the attributes say and of residuals drawn with replacement."""
    generator = np.random.Generator(np.random.PCG64(0))
    fitted = sums.fitted(centred)
    residuals = (centred - fitted) * np.sqrt(len(centred) / sums.residual_freedom)
    for _ in range(RESAMPLES):
        drawn = fitted + residuals[generator.integers(0, len(centred), len(centred))]
        yield sums.shares(drawn - drawn.mean(axis=0))


def _permuted(sums: _SumsOfSquares, centred: np.ndarray) -> Iterator[np.ndarray]:
    generator = np.random.Generator(np.random.PCG64(1))
    for _ in range(PERMUTATIONS):
        yield sums.shares(centred[generator.permutation(len(centred))])
