"""Records as a table, one row per metric."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from goldieval.records.schema import Record, TaskPart

if TYPE_CHECKING:
    import pandas as pd

COUNTS = ("images_seen", "unique_pairs", "limit", "n")
"""Columns of whole numbers, of which some may be missing."""
NUMBERS = ("value", "low", "high", "chance", "blind", "ceiling", "separable")
COLUMNS = (
    *("model", "fingerprint", "precision", "images_seen", "unique_pairs", "task", "protocol", "scoring", "subset"),
    *("limit", "status", "metric", "value", "low", "high", "n", "chance", "blind", "ceiling", "separable"),
    "unreliable",
)


def frame_of(records: Iterable[Record]) -> pd.DataFrame:
    """Return the table; without a metric it has the same columns and no row."""
    import pandas as pd

    frame = pd.DataFrame([row for record in records for row in _rows(record)], columns=list(COLUMNS))
    return frame.astype(dict.fromkeys(COUNTS, "Int64") | dict.fromkeys(NUMBERS, "float64"))


def _rows(record: Record) -> list[dict[str, Any]]:
    model, task = record.model, record.task
    about = {
        "model": model.spec,
        "fingerprint": model.fingerprint,
        "precision": model.precision,
        "images_seen": model.images_seen,
        "unique_pairs": model.unique_pairs,
        "task": task.name,
        "protocol": task.protocol,
        "scoring": task.scoring,
        "subset": restriction(task),
        "limit": task.limit,
        "status": record.status,
    }
    measured = {"value", "low", "high", "n", "chance", "blind", "ceiling", "separable", "unreliable"}
    return [{**about, "metric": name, **metric.model_dump(include=measured)} for name, metric in record.metrics.items()]


def restriction(task: TaskPart) -> str:
    """Return to which images a result is restricted; empty for the whole task."""
    parts = [f"{task.limit:,} images" if task.limit else "", task.subset]
    return ", ".join(part for part in parts if part)
