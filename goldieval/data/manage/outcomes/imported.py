"""What the import of a table yields, whatever the family of the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from goldieval.data.manage.outcomes.columns import Roles
from goldieval.records.parts import MeasuredMetric


@dataclass(frozen=True)
class Imported:
    """Outcomes of another program.

    Attributes:
        outcomes: columns of the outcomes' file, one row per query.
        metrics: metrics by name.
        seen: number of images, texts and classes.
        roles: the columns that were read.
        unchecked: why the rows were not compared with the task's annotations; empty if they were.
        warnings: what a reader of the numbers must know, one line each.
        details: fields of the record's ``task``.
        more: further fields of the record.
    """

    outcomes: dict[str, np.ndarray]
    metrics: dict[str, MeasuredMetric]
    seen: dict[str, int]
    roles: Roles
    unchecked: str = ""
    warnings: list[str] = field(default_factory=list)
    details: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
