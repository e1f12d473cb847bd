"""Values of an item of an annotation file other than texts and pictures: numbers of answers, boxes, names of groups."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from goldieval.core.errors import TaskError
from goldieval.data.cropped import Box
from goldieval.data.table_files import value_of


def index_of(where: str, item: dict[str, Any], key: str, count: int) -> int:
    """Return the number under a key, which may be written as text.

    Raises:
        TaskError: It is missing, or not a whole number from 0 to ``count`` - 1.
    """
    value = value_of(where, item, key)
    text = str(value).strip()
    text = text.removesuffix(".0") if isinstance(value, float | str) else text  # as pandas writes it beside empty cells
    if isinstance(value, bool) or not re.fullmatch("[0-9]{1,6}", text) or int(text) >= count:
        raise TaskError(f"{where}: {key!r} should be a number from 0 to {count - 1}, but is {str(value)[:40]!r}.")
    return int(text)


def box_in(where: str, item: dict[str, Any], keys: Sequence[str]) -> Box:
    """Return left, top, width and height under four keys.

    Raises:
        TaskError: One is missing or not a finite number, or the box is empty.
    """
    values = [value_of(where, item, key) for key in keys]
    for key, value in zip(keys, values, strict=True):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise TaskError(f"{where}: {key!r} should be a number, but is {str(value)[:40]!r}.")
    left, top, width, height = map(float, values)
    if width <= 0 or height <= 0:
        raise TaskError(f"{where}: the box is empty, {width:g} x {height:g} pixels.")
    return left, top, width, height


def value_text(where: str, item: dict[str, Any], key: str) -> str:
    """Return the value under a key as text; the parts of a list are joined by ``_``. Raises TaskError."""
    value = value_of(where, item, key)
    parts = value if isinstance(value, list) and value else [value]
    if any(isinstance(part, bool) or not isinstance(part, str | int) for part in parts):
        raise TaskError(f"{where}: {key!r} should be a text or a list of texts, but is {str(value)[:40]!r}.")
    return "_".join(map(str, parts))


def stratum_name(where: str, item: dict[str, Any], *keys: str) -> str:
    """Return the name of the stratum that values under some keys make, in the letters that cards use.

    >>> stratum_name("", {"type": "Add", "subtype": "obj"}, "type", "subtype")
    'add_obj'

    Raises:
        TaskError: A value is missing, or holds no letter and no digit.
    """
    text = "_".join(value_text(where, item, key) for key in keys)
    name = re.sub("[^a-z0-9]+", "_", text.lower()).strip("_")
    if not name:
        raise TaskError(f"{where}: {', '.join(keys)} should name a group, but holds {text[:40]!r}.")
    return name
