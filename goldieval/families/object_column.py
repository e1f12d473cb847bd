"""Columns of outcomes whose entries are texts or lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def object_column(values: Sequence[Any]) -> np.ndarray:
    """Return values as a column, (values,); NumPy would make a matrix of lists of equal length.

    >>> object_column([[1, 2], [3, 4]]).shape
    (2,)
    """
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
