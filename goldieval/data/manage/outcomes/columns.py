"""Columns of a table of per-sample outcomes, by what they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError, TaskError, did_you_mean
from goldieval.data.item_values import stratum_name, value_text
from goldieval.data.table_files import read_table, text_in, value_of

SIDES = ("text_0", "text_1", "image_0", "image_1")
"""Roles of the four answers of a set: the captions that two images choose, and the images that two captions choose."""

# What each role is called by programs whose tables are public; several columns are joined by "+".
USUAL: dict[str, tuple[str, ...]] = {
    "id": ("sample_id",),
    "correct": ("correct", "is_correct", "hit", "right"),
    "rank": ("rank",),
    "prediction": ("prediction", "predicted", "pred", "pred_labels"),
    "answer": ("answer", "label", "target", "true_labels", "class"),
    "text_0": ("text_score_i0", "Ipos_2T"),
    "text_1": ("text_score_i1", "Ineg_2T"),
    "image_0": ("image_score_c0", "Tpos_2I"),
    "image_1": ("image_score_c1", "Tneg_2I"),
    "confidence": ("confidence", "probability", "prob"),
    "text_only": ("text_only", "tot_correct"),
    "image": ("filename", "file_name", "image_file", "image_path", "image", "file"),
    "true": ("caption", "true_caption"),
    "false": ("negative_caption", "false_caption", "foil"),
    "split": ("split", "stratum", "type+subtype", "type", "category"),
    "group": ("group", "relation_name"),
}
RIGHT = {"1": True, "1.0": True, "true": True, "yes": True, "0": False, "0.0": False, "false": False, "no": False}


@dataclass(frozen=True)
class Roles:
    """Which columns of a table have which meaning.

    Attributes:
        columns: columns of each role that the table has.
    """

    columns: Mapping[str, Sequence[str]]

    def __contains__(self, role: str) -> bool:
        return role in self.columns

    @property
    def shown(self) -> str:
        """The roles as ``--columns`` takes them."""
        return ",".join(f"{role}={'+'.join(columns)}" for role, columns in self.columns.items())

    def text(self, where: str, row: dict[str, Any], role: str) -> str:
        """Return the text of a role; empty if the table does not have it. Raises TaskError."""
        return text_in(where, row, self.columns[role][0]).strip() if role in self.columns else ""

    def stratum(self, where: str, row: dict[str, Any]) -> str:
        """Return the name of a row's split in the letters that cards use. Raises TaskError."""
        return stratum_name(where, row, *self.columns["split"]) if "split" in self.columns else ""

    def group(self, where: str, row: dict[str, Any]) -> str:
        """Return the group of a row. Raises TaskError."""
        return value_text(where, row, self.columns["group"][0]) if "group" in self.columns else ""

    def is_right(self, where: str, row: dict[str, Any], role: str) -> bool:
        """Return whether the answer in a column is right.

        Raises:
            TaskError: the value is none of 0, 1, true, false, yes and no.
        """
        value = value_of(where, row, self.columns[role][0])
        found = RIGHT.get(str(value).strip().lower())
        if found is None:
            column = self.columns[role][0]
            raise TaskError(f"{where}: {column!r} should be 0 or 1, true or false, but is {str(value)[:40]!r}.")
        return found

    def rank(self, where: str, row: dict[str, Any]) -> int | None:
        """Return the rank of the true answer, from 1; 2 for a wrong answer of unknown rank; None if no column says it.

        Raises:
            TaskError: the value is no rank.
        """
        if "correct" in self.columns and "rank" not in self.columns:
            return 1 if self.is_right(where, row, "correct") else 2
        if "rank" not in self.columns:
            return None
        value = value_of(where, row, self.columns["rank"][0])
        text = str(value).strip().removesuffix(".0")
        if not re.fullmatch("[1-9][0-9]{0,8}", text):
            raise TaskError(f"{where}: a rank should be a whole number from 1, but is {str(value)[:40]!r}.")
        return int(text)


def read_with_roles(file: Path, given: Mapping[str, str]) -> tuple[list[tuple[str, dict[str, Any]]], Roles]:
    """Return the rows of a table, each with its location, and its columns by role.

    Args:
        file: CSV, TSV, JSON or JSON Lines.
        given: columns by role, in place of the usual ones.

    Raises:
        GoldievalError: the table cannot be read or has no rows, or as of ``roles_of``.
    """
    rows = list(read_table(file))
    if not rows:
        raise GoldievalError(f"{file} has no rows.")
    return rows, roles_of(list(rows[0][1]), given)


def roles_of(names: Sequence[str], given: Mapping[str, str]) -> Roles:
    """Return the columns of each role: those that the user gives, else the first usual one that the table has.

    Args:
        names: columns of the table.
        given: column by role; several columns of a split are joined by ``+``.

    Raises:
        GoldievalError: a role or a column does not exist.

    >>> roles_of(["id", "correct", "type", "subtype"], {}).shown
    'correct=correct,split=type+subtype'
    """
    for role, column in given.items():
        if role not in USUAL:
            hint = did_you_mean(role, USUAL) or f" There are {', '.join(USUAL)}."
            raise GoldievalError(f"--columns: there is no role {role!r}.{hint}")
        if lacking := [part for part in column.split("+") if part not in names and column not in names]:
            raise GoldievalError(f"--columns: the table has no column {lacking[0]!r}; it has {', '.join(names)}.")
    chosen = {role: [column] if column in names else column.split("+") for role, column in given.items()}
    if joined := [role for role, columns in chosen.items() if len(columns) > 1 and role != "split"]:
        raise GoldievalError(f"--columns: {joined[0]} is one column; only those of split are joined by +.")
    taken = {column for columns in chosen.values() for column in columns}
    for role, usual in USUAL.items():
        candidates = ([usual_name] if usual_name in names else usual_name.split("+") for usual_name in usual)
        fits = (columns for columns in candidates if all(name in names and name not in taken for name in columns))
        if role not in chosen and (columns := next(fits, None)):
            chosen[role] = columns
    return Roles(chosen)
