"""Groups of images in a classification: each image belongs to at most one, which the outcomes name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.data.samples import Dataset
from goldieval.metrics.definitions.worst_group import WorstGroup
from goldieval.metrics.query_values import Columns
from goldieval.metrics.registry import metric_of
from goldieval.metrics.worst_group import expected_bias

WORTH_SAYING = 0.005  # half a point


def check_groups(dataset: Dataset, names: Sequence[str]) -> None:
    """Raise TaskError if a card names a group of images that the data do not have, or the same group twice."""
    if repeated := [name for place, name in enumerate(names) if name in names[:place]]:
        raise TaskError(f"params.groups: {listing(repeated)} is named twice.")
    if missing := [name for name in names if name not in dataset.strata]:
        has = f"they have {listing(dataset.strata, 12)}" if dataset.strata else "they have none: give source.groups"
        raise TaskError(f"params.groups: the data have no group {listing(missing)}; {has}.")


def group_column(dataset: Dataset, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the column ``group`` of outcomes, the name of each image's group, (images,); none without groups.

    Args:
        dataset: the samples.
        names: groups of the card; it is empty for images of another one.
    """
    if not names:
        return {}
    column = np.full(len(dataset.images), "", dtype=object)
    for name in names:
        column[dataset.strata[name]] = name
    return {"group": column}


def bias_warnings(headline: str, outcomes: Columns) -> list[str]:
    """Return a warning where chance alone is expected to lower a worst-group headline by half a point or more.

    Args:
        headline: name of the headline metric.
        outcomes: columns of the outcomes.
    """
    metric = metric_of(headline)
    values = metric.values(outcomes) if isinstance(metric, WorstGroup) else None
    if values is None or (bias := expected_bias(values.values, values.groups)) < WORTH_SAYING:
        return []
    count = len(np.unique(values.groups))
    return [f"chance alone lowers the worst of {count} groups, here by {100 * bias:.1f} points or more"]
