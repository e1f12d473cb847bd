"""Which checkpoints belong to one training, from their specs."""

from __future__ import annotations

import re

_COUNTED = re.compile(r"(?:step|epoch|iteration|iter|checkpoint|ckpt)[-_=]?(\d{1,15})(?!\d)", re.IGNORECASE)


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
