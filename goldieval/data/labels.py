"""Labels as tables, tars and Parquet files hold them: class names, or numbers that count classes from 0."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from goldieval.core.errors import TaskError, listing
from goldieval.data.text_files import check_encodable

# pandas writes 0.0 for 0 wherever a column has a missing value.
NUMBER = re.compile(r"-?[0-9]{1,18}(\.0*)?")


def label_text(where: str, value: Any) -> str:
    """Return a label as text; a whole number in any writing (``1``, ``1.0``, ``"1.0"``) is its digits.

    Raises:
        TaskError: neither text nor whole number.

    >>> label_text("t.csv:2", "0.0"), label_text("t.csv:3", 7.0), label_text("t.csv:4", " cat")
    ('0', '7', 'cat')
    """
    if not isinstance(value, str | int | float):
        raise TaskError(f"{where}: label {str(value)[:40]!r} is neither a class name nor a number.")
    text = check_encodable(str(value).strip(), f"{where}, label")
    return str(int(text.partition(".")[0])) if NUMBER.fullmatch(text) else text


def class_names_in(labels: Iterable[str]) -> list[str] | None:
    """Return the names that stand in a label column, sorted; None where a number is among them."""
    names = sorted(set(labels))
    return None if not names or any(NUMBER.fullmatch(name) for name in names) else names


def index_of(where: str, value: Any, names: list[str] | None) -> int:
    """Return the class that a label means: by name, else by number.

    Where numbers are the names of other classes than those that they count (``1``, ``2``, ``3``), a text is a name.

    Raises:
        TaskError: it is neither, or could be either.
    """
    label = label_text(where, value)
    ambiguous = bool(names) and any(_is_of_another(name, place) for place, name in enumerate(names or ()))
    if ambiguous and not isinstance(value, str):
        raise TaskError(
            f"{where}: label {label} could be the class of that name or of that number, for class names are numbers, "
            f"too ({listing(names or (), 3)}). Write names in words, or labels as text."
        )
    for written in (str(value).strip(), label):
        if names and written in names:
            return names.index(written)
    if ambiguous:
        raise TaskError(
            f"{where}: label {label[:40]!r} is no class name ({listing(names or (), 3)}), and as numbers are names "
            "here, it does not count as one. Write names in words."
        )
    if not NUMBER.fullmatch(label):
        raise TaskError(f"{where}: label {label[:40]!r} is neither a class name nor an index.")
    return int(label.partition(".")[0])


def _is_of_another(name: str, place: int) -> bool:
    """True for a class name that reads as the number of another class."""
    return bool(NUMBER.fullmatch(name)) and int(name.partition(".")[0]) != place
