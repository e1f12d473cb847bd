"""Groups of images in a classification: each image belongs to at most one, which the outcomes name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.data.samples import Dataset


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
