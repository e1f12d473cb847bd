"""A metric's outcomes, one a query, as a record's Parquet file holds them, and the test that belongs to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from goldieval.metrics.miou import Doubt, unsure
from goldieval.metrics.paired import Paired, mcnemar, mean_iou, paired_mean_per_class, paired_means, paired_sums

if TYPE_CHECKING:
    from goldieval.metrics.ranks import Ranks

Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Values:
    """What a test needs of one model.

    ids: (queries,) sample ids.   outcomes: (queries,), or for areas (images, 2 x classes).   groups: (queries,) what
    was drawn together, or for means over classes the label.   kind: which test, a key of ``TESTS``.
    lower: a smaller score is the better one.   shown: (classes,) images that show each, of areas.
    """

    ids: np.ndarray
    outcomes: np.ndarray
    groups: np.ndarray
    kind: str
    lower: bool = False
    shown: np.ndarray | None = None

    def ordered(self, order: np.ndarray) -> Values:
        """Return the queries in another order."""
        return replace(self, ids=self.ids[order], outcomes=self.outcomes[order], groups=self.groups[order])


def values_of(metric: str, columns: Columns) -> Values | None:
    """Return a metric's outcomes; None where the file does not hold them (medians, strata)."""
    for pattern, read in _READERS:
        if match := re.fullmatch(pattern, metric):
            return read(columns, *match.groups())
    return None


def test(a: Values, b: Values) -> Paired:
    """Compare two models whose queries stand in the same order."""
    return _TESTS[a.kind](a, b)


def score(values: Values) -> float:
    """Return a model's score from its outcomes."""
    return test(values, values).a if values.kind in ("per class", "miou") else float(values.outcomes.mean())


def influence(values: Values) -> np.ndarray:
    """Return how much each cluster moves the score, shape (clusters,); the squares add up to the score's variance."""
    clusters = np.arange(len(values.ids)) if values.kind in ("per class", "miou") else values.groups
    which = np.unique(clusters, return_inverse=True)[1]
    return np.bincount(which, _INFLUENCES.get(values.kind, _of_mean)(values))


def _of_mean(values: Values) -> np.ndarray:
    moved: np.ndarray = (values.outcomes - values.outcomes.mean()) / len(values.outcomes)
    return moved


def _of_class_means(values: Values) -> np.ndarray:
    which = np.unique(values.groups, return_inverse=True)[1]
    sizes = np.bincount(which)
    shares = np.bincount(which, values.outcomes) / sizes
    single = sizes == 1  # of these at most that they lie about the mean of all
    around, scale = np.where(single, shares.mean(), shares), np.sqrt(sizes / np.maximum(sizes - 1, 1))
    moved: np.ndarray = (values.outcomes - around[which]) * scale[which] / (sizes[which] * len(sizes))
    return moved


def _of_ious(values: Values) -> np.ndarray:
    """The derivative of the mean of I/U by each image's areas."""
    inside, union = np.hsplit(values.outcomes.astype(float), 2)
    total, whole = inside.sum(axis=0), union.sum(axis=0)
    there = whole > 0
    moved = inside[:, there] / whole[there] - union[:, there] * total[there] / whole[there] ** 2
    mean: np.ndarray = moved.sum(axis=1) / max(there.sum(), 1)
    return mean


_INFLUENCES = {"per class": _of_class_means, "miou": _of_ious}


def _by_mcnemar(a: Values, b: Values) -> Paired:
    fractions = any(np.any(side.outcomes % 1) for side in (a, b))  # ties share a hit: no longer counts of hits
    return paired_means(a.outcomes, b.outcomes, a.groups) if fractions else mcnemar(a.outcomes, b.outcomes, a.groups)


def _by_areas(a: Values, b: Values) -> Paired:
    doubt = Doubt() if a.shown is None else unsure(a.shown)
    return paired_sums(a.outcomes, b.outcomes, mean_iou(a.outcomes.shape[1] // 2), doubt=doubt)


_TESTS: dict[str, Callable[[Values, Values], Paired]] = {
    "accuracy": _by_mcnemar,
    "mean": lambda a, b: paired_means(a.outcomes, b.outcomes, a.groups),
    "rank": lambda a, b: paired_means(a.outcomes, b.outcomes, a.groups, shares=False),
    "per class": lambda a, b: paired_mean_per_class(a.outcomes, b.outcomes, a.groups),
    "miou": _by_areas,
}


def _recall(columns: Columns, side: str, k: str) -> Values | None:
    return _ranked(columns, side, "mean", lambda ranks: ranks.hits(int(k)))


def _mean_rank(columns: Columns, side: str) -> Values | None:
    found = _ranked(columns, side, "rank", lambda ranks: ranks.expected())
    return replace(found, lower=True) if found else None


def _ranked(columns: Columns, side: str, kind: str, outcome: Callable[..., np.ndarray]) -> Values | None:
    if "rank_low" not in columns:
        return None
    rows = columns["direction"] == side
    return Values(columns["sample_id"][rows], outcome(ranks_of(columns).of(rows)), columns["cluster_id"][rows], kind)


def _top(columns: Columns, k: str) -> Values | None:
    if "place" not in columns:
        return None
    hits = (columns["place"] < int(k)).astype(float)
    return Values(columns["sample_id"], hits, columns["cluster_id"], "accuracy")


def _per_class(columns: Columns) -> Values | None:
    found = _top(columns, "1")
    return replace(found, groups=columns["label"], kind="per class") if found and "label" in columns else None


def _accuracy(columns: Columns) -> Values | None:
    if "right" in columns:
        return Values(columns["sample_id"], columns["right"].astype(float), columns["cluster_id"], "accuracy")
    if "rank_low" not in columns:
        return None
    return Values(columns["sample_id"], ranks_of(columns).hits(1), columns["cluster_id"], "accuracy")


def _miou(columns: Columns) -> Values | None:
    if not {"intersection", "union"} <= set(columns):
        return None
    areas = np.hstack([np.stack(list(columns[name])) for name in ("intersection", "union")])
    shown = (np.stack(list(columns["labelled"])) > 0).sum(axis=0) if "labelled" in columns else None
    return Values(columns["sample_id"], areas, columns["cluster_id"], "miou", shown=shown)


_READERS: tuple[tuple[str, Callable[..., Values | None]], ...] = (
    ("(t2i|i2t)_r([0-9]+)", _recall),
    ("(t2i|i2t)_mean_rank", _mean_rank),
    ("acc([0-9]+)", _top),
    ("mean_per_class_recall", _per_class),
    ("accuracy", _accuracy),
    ("miou", _miou),
)


def ranks_of(columns: Columns) -> Ranks:
    """Return the ``Ranks`` that a family wrote; the gallery's size is not among the columns."""
    from goldieval.metrics.ranks import Ranks  # imports torch

    low, high, one = columns["rank_low"], columns["rank_high"], np.ones(len(columns["rank_low"]), dtype=np.int64)
    return Ranks(low - 1, high - low, columns.get("tied_positives", one), columns.get("positives", one), gallery=0)
