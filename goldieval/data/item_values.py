"""Values of an item of an annotation file other than texts and pictures: numbers of answers, boxes, names of groups."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from goldieval.core.errors import TaskError
from goldieval.data.cropped import Box
from goldieval.data.groups import plain_name
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


def number_in(where: str, item: dict[str, Any], key: str) -> float:
    """Return the finite number under a key, which may be written as text. Raises TaskError if there is none."""
    value = value_of(where, item, key)
    number = finite_number(value)
    if number is None:
        raise TaskError(f"{where}: {key!r} should be a number, but is {str(value)[:40]!r}.")
    return number


def has_at_least(where: str, item: dict[str, Any], minimum: Mapping[str, float]) -> bool:
    """Return whether each number of an item is at least its minimum. Raises TaskError where one is not a number."""
    numbers = {key: number_in(where, item, key) for key in minimum}
    return all(numbers[key] >= least for key, least in minimum.items())


def finite_number(value: Any) -> float | None:
    """Return a number, which may be written as text; None for anything else, and for infinity and NaN.

    >>> finite_number("2.5"), finite_number(True), finite_number("nan"), finite_number(10**400)
    (2.5, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def box_in(where: str, item: dict[str, Any], keys: Sequence[str]) -> Box:
    """Return left, top, width and height under four keys.

    Raises:
        TaskError: One is missing or not a finite number, or the box is empty.
    """
    left, top, width, height = (number_in(where, item, key) for key in keys)
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
        TaskError: A value is missing, or their text is no name, see ``groups.plain_name``.
    """
    return plain_name(where, ", ".join(keys), "_".join(value_text(where, item, key) for key in keys))
