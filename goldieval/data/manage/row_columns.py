"""The caption, label and picture columns of rows, where nested values count as columns with a path."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from goldieval.data.labels import label_text
from goldieval.data.manage.columns import LESS_USUAL, USUAL, Rows
from goldieval.data.manage.finding import UndecidedError
from goldieval.data.table_files import is_missing, nested_value
from goldieval.data.walk import PICTURES

MOST_ROWS = 200  # rows that are examined
DEEPEST = 3  # levels of a path
NAMES = USUAL["caption"] | LESS_USUAL
FEWEST_WORDS = 3  # of a caption, if the name of its column does not say that it is one


def paths_of(rows: Rows) -> list[str]:
    """Return the columns of rows, and the paths into their nested values.

    >>> paths_of([{"id": 1, "sentences": [{"raw": "a cat", "tokens": ["a", "cat"]}]}])
    ['id', 'sentences', 'sentences.raw', 'sentences.tokens']
    """
    return list(dict.fromkeys(path for row in rows[:MOST_ROWS] for path in _paths(row, "", DEEPEST)))


def _paths(value: Any, above: str, depth: int) -> list[str]:
    if isinstance(value, list):
        return list(dict.fromkeys(path for each in value[:5] for path in _paths(each, above, depth)))
    if not isinstance(value, dict) or not depth:
        return []
    found = []
    for name, inner in value.items():
        if isinstance(name, str) and "." not in name:
            found += [f"{above}{name}", *_paths(inner, f"{above}{name}.", depth - 1)]
    return found


def values_of(rows: Rows, path: str, most: int = MOST_ROWS) -> list[Any]:
    """Return the values of a column that are not missing, of the first rows."""
    values = (nested_value(row, path) for row in rows[:most])
    return [value for value in values if not is_missing(value) and value != []]


def caption_column(shown: str, rows: Rows, named: str = "", besides: Sequence[str] = ()) -> str:
    """Return the column of the captions, or an empty string if there is none.

    Args:
        shown: Name of the file for error messages.
        rows: The rows.
        named: Column named by the user.
        besides: Columns with another role.

    Raises:
        UndecidedError: Several columns fit, or the named one does not exist.
    """
    texts = [path for path in text_columns(rows) if path not in besides]
    return _pick(shown, "caption", rows, texts, named)


def label_column(shown: str, rows: Rows, named: str = "", besides: Sequence[str] = ()) -> str:
    """Return the column of the labels, or an empty string if there is none. Raises UndecidedError."""
    labels = [path for path in paths_of(rows) if path not in besides and _are_labels(values_of(rows, path))]
    return _pick(shown, "label", rows, labels, named)


def text_columns(rows: Rows) -> list[str]:
    """Return the columns that contain captions: texts of several words, or any texts under a usual name."""
    return [path for path in paths_of(rows) if _are_texts(values_of(rows, path), _last(path) in NAMES)]


def picture_columns(rows: Rows) -> list[str]:
    """Return the columns whose values are names of image files."""
    return [path for path in paths_of(rows) if _mostly(map(_is_picture, values_of(rows, path)))]


def _pick(shown: str, role: str, rows: Rows, fitting: list[str], named: str) -> str:
    if named:
        if named not in paths_of(rows):
            raise UndecidedError(f"{shown} has no column {named!r} for --{role}; it has {', '.join(paths_of(rows))}.")
        return named
    usual = [path for path in fitting if _last(path) in USUAL[role]]
    usual = usual or [path for path in fitting if role == "caption" and _last(path) in LESS_USUAL]
    left = usual if len(fitting) > 1 and usual else fitting
    if len(left) > 1:
        raise UndecidedError(f"{shown}: {left[0]!r} and {left[1]!r} could both hold the {role}: add --{role}.")
    return left[0] if left else ""


def _last(path: str) -> str:
    return path.rpartition(".")[2].lower()


def _are_texts(values: list[Any], short: bool) -> bool:
    fewest = 1 if short else FEWEST_WORDS
    return _mostly(_is_text(value, fewest) for value in values)


def _is_text(value: Any, fewest: int) -> bool:
    texts = [text for text in value if not is_missing(text)] if isinstance(value, list) else [value]
    return bool(texts) and all(isinstance(text, str) and len(text.split()) >= fewest for text in texts)


def _are_labels(values: list[Any]) -> bool:
    """Return whether values are texts or integers that occur repeatedly."""
    if not all(isinstance(value, str | int) and not isinstance(value, bool) for value in values):
        return False
    return 1 < len({label_text("", value) for value in values}) < len(values)


def _is_picture(value: Any) -> bool:
    return isinstance(value, str) and PurePosixPath(value).suffix.lower() in PICTURES


def _mostly(fits: Any) -> bool:
    """Return whether there are values, and nearly all of them fit; others are reported by the reader."""
    found = list(fits)
    return bool(found) and sum(found) > 0.9 * len(found)
