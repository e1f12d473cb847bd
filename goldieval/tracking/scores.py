"""Records as numbers for trackers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from goldieval.records.schema import Record

_COUNTED = re.compile(r"(?:step|epoch|iteration|iter|checkpoint|ckpt)[-_=]?(\d{1,15})(?!\d)", re.IGNORECASE)


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


def step_in(spec: str) -> int | None:
    """Return the step or epoch in the name of a checkpoint; None if it has none.

    >>> step_in("goldiclip@runs/tiny/step-000500"), step_in("open_clip:ViT-B-16@runs/epoch=3-step=900.ckpt")
    (500, 900)
    >>> step_in("open_clip:ViT-B-16@epoch_10/last.pt") is step_in("open_clip:ViT-B-16/openai") is None
    True
    """
    found = _COUNTED.findall(_last_part(spec))
    return int(found[-1]) if found else None


def series_of(spec: str, any_name: bool) -> str:
    """Return what the checkpoints of one training have in common: their spec with ``*`` for what differs.

    Args:
        spec: spec of one checkpoint.
        any_name: whether checkpoints of one folder belong together whatever their names, since it is known how many
            images each has seen.

    >>> series_of("goldiclip@runs/tiny/step-000500", True), series_of("goldiclip@runs/best.pt", True)
    ('goldiclip@runs/tiny/step-*', 'goldiclip@runs/*')
    >>> series_of("open_clip:ViT-B-16/openai", False)
    'open_clip:ViT-B-16/openai'
    """
    last = _last_part(spec)
    head = spec.removesuffix(last)
    found = list(_COUNTED.finditer(last))
    if found:
        return head + last[: found[-1].start(1)] + "*" + last[found[-1].end(1) :]
    return f"{head}*" if any_name and "@" in head else spec


def _last_part(spec: str) -> str:
    return re.split(r"[/@]", spec.rstrip("/"))[-1]
