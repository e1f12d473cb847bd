"""Splits of one table: by a column that names them, or by lists of images beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from goldieval.core.errors import TaskError, listing
from goldieval.data.manage.columns import Rows
from goldieval.data.manage.finding import Finding, files_of
from goldieval.data.manage.generic_names import SPLITS
from goldieval.data.manage.places import LOOKED_AT, PicturePlace
from goldieval.data.source import read_lines
from goldieval.data.table_files import nested_value

SPLIT_COLUMNS = ("split", "partition", "fold", "subset")
LONGEST_SPLIT = 20  # characters of the name of a split
LARGEST_LIST = 10**7  # bytes of a list of images


def splits_of(rows: Rows) -> dict[str, Counter[str]]:
    """Return the columns that name splits, with the number of rows of each split."""
    return {
        name: Counter(str(row.get(name)) for row in rows)
        for name in (rows[0] if rows else ())
        if name.lower() in SPLIT_COLUMNS and all(is_split(row.get(name)) for row in rows)
    }


def is_split(value: object) -> bool:
    """Return whether a value may be the name of a split."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_SPLIT


def split_filter(columns: Mapping[str, Counter[str]]) -> tuple[dict[str, str], list[str]]:
    """Return the rows to use as a card's ``where``, and a note; nothing if no column names several splits.

    >>> split_filter({"split": Counter(train=2, test=1)})
    ({'split': 'test'}, ["of the splits in 'split', test (1) is taken; edit `where` in the card for train (2)"])
    """
    for name, counts in columns.items():
        known = [split for split in SPLITS if split in counts]
        if known and len(counts) > 1:
            others = listing(
                [f"{split} ({count:,})" for split, count in sorted(counts.items()) if split != known[0]], 5
            )
            taken = f"{known[0]} ({counts[known[0]]:,}) is taken"
            return {name: known[0]}, [f"of the splits in {name!r}, {taken}; edit `where` in the card for {others}"]
    return {}, []


def with_split(finding: Finding, folder: Path, rows: Rows, place: PicturePlace) -> Finding:
    """Return the finding of a table restricted to the split to evaluate, with notes on it and on its images."""
    where, notes = split_filter(splits_of(rows))
    listed = ""
    if not where:
        names = {PurePosixPath(str(nested_value(row, finding.source["image"]))).name for row in rows}
        listed, notes = list_of_split(folder, names)
    chosen: dict[str, Any] = {key: value for key, value in (("where", where), ("listed", listed)) if value}
    return replace(finding, source=finding.source | chosen, notes=[*finding.notes, *place.notes(), *notes])


def with_unused(finding: Finding, rows: Rows) -> Finding:
    """Return the finding of a table with a note on the columns that it does not use."""
    used = {*finding.source.get("where", {}), *(finding.source.get(role) for role in ("image", "caption", "label"))}
    names = list(dict.fromkeys(name for row in rows[:LOOKED_AT] for name in row))
    unused = [str(name) for name in names if name not in used]
    return replace(finding, notes=[*finding.notes, f"columns not used: {listing(unused, 8)}"]) if unused else finding


def list_of_split(folder: Path, names: Collection[str]) -> tuple[str, list[str]]:
    """Return the list of images of the split to evaluate, and a note; nothing if there are no lists of splits.

    Args:
        folder: Folder of the data.
        names: Names of the images, without folders.
    """
    lists = {
        file.relative_to(folder).as_posix(): split for file in files_of(folder, [".txt"]) if (split := _split(file))
    }
    lists = {name: split for name, split in lists.items() if _lists_images(folder / name, names)}
    if not lists:
        return "", []
    chosen = min(lists, key=lambda name: (SPLITS.index(lists[name]), name))
    others = listing([name for name in lists if name != chosen]) or "all images"
    return chosen, [f"only the images in {chosen} are taken; edit `listed` in the card for {others}"]


def _split(file: Path) -> str:
    """Return the split that a file's name contains, as in ``Flickr_8k.testImages.txt``."""
    return next((split for split in SPLITS if split in file.stem.lower()), "")


def _lists_images(file: Path, names: Collection[str]) -> bool:
    try:
        lines = read_lines(file) if file.stat().st_size <= LARGEST_LIST else []
    except (TaskError, OSError):
        return False
    return bool(lines) and sum(PurePosixPath(line).name in names for line in lines) > 0.5 * len(lines)
