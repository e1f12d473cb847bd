"""Validation errors of pydantic as one readable line."""

from __future__ import annotations

from pydantic import ValidationError


def validation_line(error: ValidationError) -> str:
    """Return a validation error as one line, ``key: what is wrong; …``, without the tags of typed choices."""
    parts: dict[str, str] = {}
    for fault in error.errors(include_url=False):
        key = ".".join(str(part) for part in _without_choice_tags(fault["loc"]))
        message = {"extra_forbidden": "unknown key", "missing": "is missing"}.get(fault["type"], fault["msg"])
        parts.setdefault(key, message.removeprefix("Value error, ").partition(", unable to parse")[0])
    return "; ".join(f"{key}: {message}" if key else message for key, message in parts.items())


def _without_choice_tags(location: tuple[int | str, ...]) -> list[int | str]:
    """Return the location of an error as the user wrote it: ``('source', 'coco', 'images')`` is ``source.images``."""
    parts = list(location)
    if len(parts) > 1 and parts[0] == "source":
        del parts[1]
    return [
        part for part in parts if not (isinstance(part, str) and ("[" in part or part in ("str", "Pinned", "InData")))
    ]
