"""Labels in tables, tar and Parquet files: class names, or class numbers from 0."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from goldieval.core.errors import TaskError, listing
from goldieval.data.text_files import check_encodable

# pandas writes 0.0 for 0 in a column with missing values.
NUMBER = re.compile(r"-?[0-9]{1,18}(\.0*)?")


def label_text(where: str, value: Any) -> str:
    """Return a label as text; an integer in any notation (``1``, ``1.0``, ``"1.0"``) becomes its digits.

    Raises:
        TaskError: The value is neither a text nor an integer.

    >>> label_text("t.csv:2", "0.0"), label_text("t.csv:3", 7.0), label_text("t.csv:4", " cat")
    ('0', '7', 'cat')
    """
    if not isinstance(value, str | int | float):
        raise TaskError(f"{where}: label {str(value)[:40]!r} is neither a class name nor a number.")
    text = check_encodable(str(value).strip(), f"{where}, label")
    return str(int(text.partition(".")[0])) if NUMBER.fullmatch(text) else text


def class_names_in(labels: Iterable[str]) -> list[str] | None:
    """Return the class names in a label column, sorted, or None if a number is among them."""
    names = sorted(set(labels))
    return None if not names or any(NUMBER.fullmatch(name) for name in names) else names


def index_of(where: str, value: Any, names: list[str] | None) -> int:
    """Return the class index that a label refers to: by name, else by number.

    If the class names are numbers that differ from their indices (``1``, ``2``, ``3``), a text is taken as a name.

    Raises:
        TaskError: The label is neither a name nor an index, or could be either.
    """
    label = label_text(where, value)
    ambiguous = bool(names) and any(_is_of_another(name, place) for place, name in enumerate(names or ()))
    if ambiguous and not isinstance(value, str):
        raise TaskError(
            f"{where}: label {label} could be a class name or a class number, because class names are numbers "
            f"({listing(names or (), 3)}). Write names in words, or labels as text."
        )
    for written in (str(value).strip(), label):
        if names and written in names:
            return names.index(written)
    if ambiguous:
        raise TaskError(
            f"{where}: label {label[:40]!r} is not a class name ({listing(names or (), 3)}); because the names are "
            "numbers, it is not used as an index. Write names in words."
        )
    if not NUMBER.fullmatch(label):
        raise TaskError(f"{where}: label {label[:40]!r} is neither a class name nor an index.")
    return int(label.partition(".")[0])


def _is_of_another(name: str, place: int) -> bool:
    """Return whether a class name is the number of another class."""
    return bool(NUMBER.fullmatch(name)) and int(name.partition(".")[0]) != place
