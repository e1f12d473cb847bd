"""Rows of a table of per-sample outcomes, each as an item with its answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError
from goldieval.data.manage.outcomes.columns import SIDES, Roles, read_with_roles
from goldieval.data.table_files import text_in

WITHOUT_PATH = "<PIL."  # how pandas writes a decoded picture, with an address in memory


@dataclass(frozen=True)
class Item:
    """One row.

    Attributes:
        where: location for error messages.
        ranks: rank of the true answer to each of its queries, from 1; 2 stands for a wrong answer of unknown rank.
        id: id of the sample; empty if the table has none.
        image: name of the picture's file; empty if the table has none.
        true: the true caption; empty if the table has none.
        false: the false caption; empty if the table has none.
        stratum: name of its split.
        group: name of its group.
        text_only: whether the texts alone are right; None if the table does not say.
    """

    where: str
    ranks: tuple[int, ...]
    id: str = ""
    image: str = ""
    true: str = ""
    false: str = ""
    stratum: str = ""
    group: str = ""
    text_only: bool | None = None


def read_items(file: Path, given: Mapping[str, str], sets: bool) -> tuple[list[Item], Roles]:
    """Read a table of outcomes.

    Args:
        file: CSV, TSV, JSON or JSON Lines.
        given: columns by role, in place of the usual ones.
        sets: whether every row holds the four answers of an example with two images and two captions.

    Returns:
        The items in the order of the rows, and which columns were read.

    Raises:
        GoldievalError: the table cannot be read, lacks the answers, or has no rows; or a value is invalid.
    """
    rows, roles = read_with_roles(file, given)
    _check_answers(file, roles, sets)
    return [_item(where, row, roles, sets) for where, row in rows], roles


def _check_answers(file: Path, roles: Roles, sets: bool) -> None:
    lacking = [side for side in SIDES if side not in roles]
    if sets and lacking:
        roles_lacking = ",".join(f"{each}=COLUMN" for each in lacking)
        raise GoldievalError(f"{file}: no column for {', '.join(lacking)}. Name them: --columns {roles_lacking}")
    if not sets and not ({"correct", "rank"} & set(roles.columns) or {"prediction", "answer"} <= set(roles.columns)):
        raise GoldievalError(
            f"{file}: no column says which answers are right. Name one: --columns correct=COLUMN (0 or 1), "
            "rank=COLUMN, or prediction=COLUMN,answer=COLUMN"
        )


def _item(where: str, row: dict[str, Any], roles: Roles, sets: bool) -> Item:
    image = roles.text(where, row, "image")
    return Item(
        where=where,
        ranks=_ranks(where, row, roles, sets),
        id=roles.text(where, row, "id"),
        image="" if image.startswith(WITHOUT_PATH) else base_name(image),
        true=roles.text(where, row, "true"),
        false=roles.text(where, row, "false"),
        stratum=roles.stratum(where, row),
        group=roles.group(where, row),
        text_only=roles.is_right(where, row, "text_only") if "text_only" in roles else None,
    )


def _ranks(where: str, row: dict[str, Any], roles: Roles, sets: bool) -> tuple[int, ...]:
    if sets:
        return tuple(1 if roles.is_right(where, row, side) else 2 for side in SIDES)
    return (_rank(where, row, roles),)


def _rank(where: str, row: dict[str, Any], roles: Roles) -> int:
    stated = roles.rank(where, row)
    if stated is not None:
        return stated
    given, true = (text_in(where, row, roles.columns[role][0]).strip() for role in ("prediction", "answer"))
    return 1 if given == true else 2


def repetitions(items: Sequence[Item]) -> list[str]:
    """Return a line where rows name the same picture and captions as another one: they count as items of their own."""
    first: dict[tuple[str, ...], Item] = {}
    again = []
    for item in items:
        about = (item.id, item.image, item.true, item.false)
        other = first.setdefault((*about, item.stratum), item)
        if any(about) and other is not item:
            again.append((item, other))
    if not again:
        return []
    rows = "1 row names" if len(again) == 1 else f"{len(again):,} rows name"
    item, other = again[0]
    return [f"{rows} the same item as another row, such as {item.where} and {other.where}; each counts"]


def base_name(path: str) -> str:
    """Return the last part of a path of any system."""
    return re.split(r"[/\\]", path)[-1]
