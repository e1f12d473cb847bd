"""Rows of a table of a classification: one per image, with its class and what was predicted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError, TaskError
from goldieval.data.groups import plain_name
from goldieval.data.item_values import finite_number
from goldieval.data.manage.outcomes.columns import Roles, read_with_roles
from goldieval.data.table_files import text_in, value_of


@dataclass(frozen=True)
class ClassRow:
    """One image.

    Attributes:
        where: location for error messages.
        name: id or path of the image, or its place in the table.
        label: its true class; None if the table does not say.
        prediction: the predicted class; None if the table does not say.
        rank: rank of the true class, from 1; 2 stands for a wrong prediction of unknown rank.
        confidence: probability of the predicted class; None if the table does not say.
        group: name of the image's group; empty if the table does not say.
    """

    where: str
    name: str
    label: int | None
    prediction: int | None
    rank: int
    confidence: float | None
    group: str


def read_rows(file: Path, columns: Mapping[str, str], names: Sequence[str]) -> tuple[list[ClassRow], Roles]:
    """Read a table of a classification.

    Args:
        file: CSV, TSV, JSON or JSON Lines.
        columns: column by role, in place of the usual ones.
        names: names of the classes.

    Returns:
        The rows, and which columns were read.

    Raises:
        GoldievalError: the table cannot be read, lacks the predictions, or has no rows; or a value is invalid.
    """
    table, roles = read_with_roles(file, columns)
    if not {"correct", "rank", "prediction"} & set(roles.columns):
        raise GoldievalError(
            f"{file}: no column says what was predicted. Name one: --columns prediction=COLUMN, correct=COLUMN or "
            "rank=COLUMN"
        )
    return [_row(where, row, number, roles, names) for number, (where, row) in enumerate(table)], roles


def _row(where: str, row: dict[str, Any], number: int, roles: Roles, names: Sequence[str]) -> ClassRow:
    name = roles.text(where, row, "id") or roles.text(where, row, "image") or f"row {number}"
    label, prediction = (_class(where, row, roles, role, names) for role in ("answer", "prediction"))
    rank = _rank(where, row, roles, label, prediction)
    group = roles.group(where, row)
    known = plain_name(where, roles.columns["group"][0], group) if group else ""
    return ClassRow(where, name, label, prediction, rank, _confidence(where, row, roles), known)


def _class(where: str, row: dict[str, Any], roles: Roles, role: str, names: Sequence[str]) -> int | None:
    """Return the class in a column by its number from 0 or its name; None without that column."""
    if role not in roles:
        return None
    text = text_in(where, row, roles.columns[role][0]).strip()
    numbers = {int(text.removesuffix(".0"))} if re.fullmatch(r"[0-9]{1,7}(\.0)?", text) else set()
    found = {number for number in numbers if number < len(names)} | {n for n, name in enumerate(names) if name == text}
    if len(found) == 1:
        return found.pop()
    if found:
        raise TaskError(f"{where}: {text[:40]!r} is the number or the name of several classes; use distinct names.")
    wanted = f"a class number from 0 to {len(names) - 1}, or the name of a class"
    raise TaskError(f"{where}: {roles.columns[role][0]!r} should be {wanted}, but is {text[:40]!r}.")


def _rank(where: str, row: dict[str, Any], roles: Roles, label: int | None, prediction: int | None) -> int:
    """Return the rank of the true class; 0 where it follows from the annotations. Raises TaskError."""
    rank = _stated_rank(where, row, roles, label, prediction)
    if rank and label is not None and prediction is not None and (rank == 1) != (label == prediction):
        role = "rank" if "rank" in roles else "correct"
        raise TaskError(f"{where}: {roles.columns[role][0]!r} contradicts the prediction and the true class.")
    return rank


def _stated_rank(where: str, row: dict[str, Any], roles: Roles, label: int | None, prediction: int | None) -> int:
    stated = roles.rank(where, row)
    if stated is not None:
        return stated
    return 0 if label is None else 1 if label == prediction else 2  # 0: the label comes with the annotations


def _confidence(where: str, row: dict[str, Any], roles: Roles) -> float | None:
    if "confidence" not in roles:
        return None
    value = value_of(where, row, roles.columns["confidence"][0])
    number = finite_number(value)
    if number is None or not 0 <= number <= 1:
        raise TaskError(f"{where}: a confidence should be a number from 0 to 1, but is {str(value)[:40]!r}.")
    return number
