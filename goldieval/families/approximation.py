"""The loss of a shortlist against exact scores, for the record and as warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from goldieval.metrics.clustered_intervals import clustered_means
from goldieval.metrics.intervals import share
from goldieval.records.parts import Approximation, MeasuredMetric
from goldieval.scoring.audit import SEED, Audit


@dataclass(frozen=True)
class Direction:
    """One direction of retrieval.

    Attributes:
        metrics: metric name to its k.
        clusters: index of the sampling unit of each query of the whole task, shape (queries,).
    """

    metrics: Mapping[str, int]
    clusters: np.ndarray


def approximations(audits: Mapping[str, Audit], directions: Mapping[str, Direction]) -> dict[str, Approximation]:
    """Return the measured loss by direction; empty if scores are exact."""
    return {name: _approximation(audit, directions[name]) for name, audit in audits.items()}


def _approximation(audit: Audit, direction: Direction) -> Approximation:
    cuts = list(direction.metrics.values())
    losses = np.stack([audit.exact(k).astype(float) - audit.approximate(k).astype(float) for k in cuts], axis=1)
    means = clustered_means(losses, direction.clusters[audit.rows], [(-1.0, 1.0)] * len(cuts))
    return Approximation(
        shortlist=audit.size,
        queries=len(audit.rows),
        of=audit.of,
        seed=SEED,
        best_lost=MeasuredMetric(**vars(share(audit.best_lost))),
        positive_lost=MeasuredMetric(**vars(share(audit.positive_lost))),
        loss={name: MeasuredMetric(**vars(mean)) for name, mean in zip(direction.metrics, means, strict=True)},
    )


def loss_warnings(approximated: Mapping[str, Approximation]) -> list[str]:
    """Return one line per direction, with the loss of its first metric in points."""
    return [_line(name, part, *next(iter(part.loss.items()))) for name, part in approximated.items()]


def _line(direction: str, part: Approximation, name: str, loss: MeasuredMetric) -> str:
    ends = " to ".join("not known" if end is None else f"{100 * end:.1f}" for end in (loss.low, loss.high))
    return (
        f"a shortlist of {part.shortlist:,} is an approximation: on {part.queries:,} of {part.of:,} {direction} "
        f"queries {name} loses {100 * loss.value:.1f} points to exact scores (95 %: {ends})"
    )
