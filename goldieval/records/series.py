"""Which checkpoints belong to one training, from their specs."""

from __future__ import annotations

import re

_COUNTED = re.compile(r"(?:step|epoch|iteration|iter|checkpoint|ckpt)[-_=]?(\d{1,15})(?!\d)", re.IGNORECASE)
_OPTIONS = re.compile(r"::[A-Za-z][A-Za-z0-9_-]*=.*", re.DOTALL)


def step_in(spec: str) -> int | None:
    """Return the step or epoch in the name of a checkpoint; None if it has none.

    >>> step_in("goldiclip@runs/tiny/step-000500"), step_in("open_clip:ViT-B-16@runs/epoch=3-step=900.ckpt")
    (500, 900)
    >>> step_in("open_clip:ViT-B-16@epoch_10/last.pt") is step_in("open_clip:ViT-B-16/openai") is None
    True
    """
    found = _COUNTED.findall(_parts(spec)[1])
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
    >>> series_of("open_clip:ViT-B-16@run/epoch_3.pt::tokenizer=a/b", False)
    'open_clip:ViT-B-16@run/epoch_*.pt::tokenizer=a/b'
    """
    head, last, options = _parts(spec)
    found = list(_COUNTED.finditer(last))
    if found:
        return head + last[: found[-1].start(1)] + "*" + last[found[-1].end(1) :] + options
    return f"{head}*{options}" if any_name and "@" in head else spec


def _parts(spec: str) -> tuple[str, str, str]:
    """Split a spec into what lies before the last part of its path, this part, and its options."""
    found = _OPTIONS.search(spec)
    path = (spec[: found.start()] if found else spec).rstrip("/")
    last = re.split(r"[/@]", path)[-1]
    return path.removesuffix(last), last, found[0] if found else ""
