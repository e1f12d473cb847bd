"""Values of a row of a table of questions: question, true answers, options, and what is told beside it."""

from __future__ import annotations

import string
from collections import Counter
from typing import Any, Literal

from goldieval.core.errors import TaskError
from goldieval.data.item_values import index_of
from goldieval.data.table_files import raw_value, text_in
from goldieval.data.text_files import check_encodable

MOST_ENTRIES = 1_000  # annotators of a question, options, or parts of a hint
LONGEST_TEXT = 100_000  # characters of a question, an answer, an option or a hint
LETTERS = string.ascii_uppercase

Row = dict[str, Any]
AnswerAs = Literal["index", "letter", "text"]


def question_in(where: str, row: Row, column: str) -> str:
    """Return the question of a row. Raises TaskError if it is missing, empty or too long."""
    return bounded(where, column, text_in(where, row, column, ()))


def optional_text(where: str, row: Row, column: str, separator: str = ", ") -> str:
    """Return a text, or the texts of a list joined by the separator; empty if there is none. Raises TaskError."""
    value = raw_value(where, row, column)
    if isinstance(value, list):
        return bounded(where, column, separator.join(_texts(where, column, value)))
    return "" if value is None or value == "" else bounded(where, column, text_in(where, row, column, ()))


def references_in(where: str, row: Row, column: str) -> list[str]:
    """Return the answers of the annotators, from a list of texts or of mappings with ``answer``.

    Raises:
        TaskError: The column has no such list, it is empty or too long, or an answer is no text.
    """
    value = raw_value(where, row, column)
    if isinstance(value, dict):  # columns of the Hub's type Sequence
        value = value.get("answer")
    if not isinstance(value, list) or not value:
        raise TaskError(f"{where}: {column!r} should be a list of answers, but is {str(value)[:40]!r}.")
    return _texts(where, column, [each.get("answer") if isinstance(each, dict) else each for each in value])


def options_in(where: str, row: Row, column: str) -> list[str]:
    """Return the answers that a question offers. Raises TaskError unless there are 2 to 26, none of them empty."""
    value = raw_value(where, row, column)
    options = _texts(where, column, value) if isinstance(value, list) else []
    if not 2 <= len(options) <= len(LETTERS) or not all(option.strip() for option in options):
        found = str(value)[:40]
        raise TaskError(f"{where}: {column!r} should be a list of 2 to {len(LETTERS)} options, but is {found!r}.")
    return options


def letter_in(where: str, row: Row, column: str, options: list[str], answer_as: AnswerAs) -> str:
    """Return the letter of the true option, which a row names by its index from 0, its letter or its text.

    Raises:
        TaskError: There is no such option, or several.
    """
    if answer_as == "index":
        return LETTERS[index_of(where, row, column, len(options))]
    text = text_in(where, row, column, ()).strip()
    names = [*LETTERS[: len(options)]] if answer_as == "letter" else [option.strip() for option in options]
    if names.count(text) != 1:
        many = "several" if text in names else "none"
        raise TaskError(f"{where}: {column!r} is {text[:40]!r}, which is the {answer_as} of {many} of the options.")
    return LETTERS[names.index(text)]


def most_frequent(answers: list[str]) -> str:
    """Return the answer that most annotators gave, the first of several.

    >>> most_frequent(["a bus", "bus", "bus"])
    'bus'
    """
    return Counter(answers).most_common(1)[0][0]


def _texts(where: str, column: str, values: list[Any]) -> list[str]:
    if len(values) > MOST_ENTRIES:
        raise TaskError(f"{where}: {column!r} has {len(values):,} entries; {MOST_ENTRIES:,} are the most.")
    for number, value in enumerate(values, start=1):
        if not isinstance(value, str):
            raise TaskError(f"{where}: entry {number} of {column!r} should be a text, but is {str(value)[:40]!r}.")
        check_encodable(bounded(where, column, value), f"{where}, column {column!r}")
    return values


def bounded(where: str, column: str, text: str) -> str:
    """Return a text of a row. Raises TaskError if it is too long."""
    if len(text) > LONGEST_TEXT:
        raise TaskError(f"{where}: {column!r} has {len(text):,} characters; {LONGEST_TEXT:,} are the most.")
    return text
