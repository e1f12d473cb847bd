"""Records as numbers for trackers."""

from __future__ import annotations

from collections.abc import Iterable

from goldieval.records.schema import Record


def scores_of(records: Iterable[Record]) -> dict[str, float]:
    """Return the scores as ``task/metric``, with the ends of their intervals as ``_low`` and ``_high``."""
    return {
        f"{record.task.name}/{name}{suffix}": number
        for record in records
        for name, metric in record.metrics.items()
        for suffix, number in (("", metric.value), ("_low", metric.low), ("_high", metric.high))
        if number is not None
    }


def protocol_line(protocol: str, scoring: str, limit: int | None, subset: str) -> str:
    """Return a task's protocol with everything that restricts it.

    >>> protocol_line("test split", "global", 200, "")
    'test split; global scoring; a subset of 200 images'
    """
    parts = [protocol, f"{scoring} scoring", f"a subset of {limit:,} images" if limit else "", f"subset {subset}"]
    return "; ".join(part for part in parts[: 4 if subset else 3] if part)


def protocols_of(records: Iterable[Record]) -> dict[str, str]:
    """Return the protocol of each task as ``protocol/task``."""
    tasks = [record.task for record in records]
    return {f"protocol/{t.name}": protocol_line(t.protocol, t.scoring, t.limit, t.subset) for t in tasks}
