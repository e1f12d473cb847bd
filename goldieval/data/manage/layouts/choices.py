"""Choices between captions: items with a true and a false one (SugarCrepe, VALSE), or pairs of both (Winoground)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from goldieval.core.errors import TaskError, listing
from goldieval.data.manage.columns import USUAL, Rows
from goldieval.data.manage.features import features_of
from goldieval.data.manage.finding import (
    TABLES,
    DetectionHints,
    Faults,
    Finding,
    UndecidedError,
    UnfitError,
    files_of,
    is_wanted,
    json_or_none,
)
from goldieval.data.manage.generic_names import words_of
from goldieval.data.manage.layouts.parquet import groups_of
from goldieval.data.manage.places import PicturePlace, picture_place, place_without_extension
from goldieval.data.manage.row_columns import caption_column, paths_of, picture_columns, text_columns, values_of
from goldieval.data.table_files import read_table
from goldieval.data.table_formats import rows_of_mapping

FALSE = re.compile(r"(^|_)(neg|negative|foil|false|wrong|incorrect|hard)", re.IGNORECASE)
PAIR = re.compile(r"(?P<base>.*?)[_-]?(?P<side>[01]|[12]|a|b)", re.IGNORECASE)
VOTES, FEWEST_VOTES = "mturk.caption", 2  # VALSE: items that fewer annotators accepted do not count
MOST_REPEATED = 0.1  # share of different texts that a column of false captions has at least
STRATUM = re.compile("[a-z0-9_]+")


@dataclass(frozen=True)
class ChoiceFile:
    """A file whose rows may be choices.

    Attributes:
        name: The file, or a glob pattern of Parquet files.
        rows: Its first rows.
        pictures: Columns that name images or contain them.
        contained: Columns that contain images.
    """

    name: str
    rows: Rows
    pictures: list[str]
    contained: list[str] = field(default_factory=list)


def find(folder: Path, hints: DetectionHints, faults: Faults) -> list[Finding]:
    """Return one finding for all files of a folder with the same columns; near misses are added to ``faults``."""
    if not is_wanted("choice", hints):
        return []
    found: list[Finding] = []
    contrasts: dict[tuple[str, ...], list[ChoiceFile]] = defaultdict(list)
    for file in _files(folder, hints):
        if pair := _pair(file):
            found += _guarded(lambda file=file, pair=pair: _crossed(folder, file, *pair), faults)
        elif false := _false(file):
            true = _true(file, false)
            contrasts[(PurePosixPath(file.name).parent.as_posix(), *true, "", *false)].append(file)
    for (parent, *_), files in contrasts.items():
        found += _guarded(lambda parent=parent, files=files: _contrast(folder, parent, files, hints), faults)
    return found


def _guarded(make: Any, faults: Faults) -> list[Finding]:
    try:
        return [make()]
    except (TaskError, UnfitError) as error:
        faults.append(error)
        return []


def _files(folder: Path, hints: DetectionHints) -> Iterator[ChoiceFile]:
    """Yield the tables and Parquet files that may hold choices; others are for the next layouts to report."""
    for file in files_of(folder, list(TABLES)):
        name = file.relative_to(folder).as_posix()
        if hints.file in ("", name, file.relative_to(folder).parent.as_posix()) and (rows := _rows(file)):
            yield ChoiceFile(name, rows, picture_columns(rows))
    for pattern, names in groups_of(folder).items():
        if hints.file in ("", pattern, *names):
            try:
                features = features_of(folder, folder / names[0])
            except TaskError:
                continue
            pictures = [*features.images, *picture_columns(features.rows)]
            yield ChoiceFile(pattern, features.rows, pictures, features.images)


def _rows(file: Path) -> Rows:
    """Return the rows of a table, or none if it cannot be read as one."""
    content = json_or_none(file, []) if file.suffix.lower() == ".json" else None
    rows = rows_of_mapping(content) if isinstance(content, dict) else content
    try:
        if file.suffix.lower() != ".json":
            rows = [row for _, row in read_table(file)]
    except TaskError:
        return []
    if not isinstance(rows, list):
        return []
    rows = [dict(map(_place, enumerate(row))) if isinstance(row, list) else row for row in rows]
    return rows if all(isinstance(row, dict) for row in rows) else []


def _place(entry: tuple[int, Any]) -> tuple[str, Any]:
    return str(entry[0]), entry[1]


# Two images and two captions


def _pair(file: ChoiceFile) -> tuple[list[str], list[str]] | None:
    """Return the columns of the two images and of the two captions, if there are exactly two of each."""
    pictures = file.pictures or _sides([name for name in paths_of(file.rows) if re.match("(?i)ima?ge?", name)])
    texts = [name for name in text_columns(file.rows) if name not in pictures]
    if len(pictures) != 2 or any(USUAL["mask"] & set(words_of(name)) for name in pictures):
        return None
    captions = texts if len(texts) == 2 else _sides(texts)
    return (pictures, captions) if len(captions) == 2 else None


def _sides(names: Sequence[str]) -> list[str]:
    """Return two columns whose names differ only in their side, such as ``caption_0`` and ``caption_1``.

    >>> _sides(["id", "caption_0", "caption_1"]), _sides(["caption", "text"])
    (['caption_0', 'caption_1'], [])
    """
    bases: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if found := PAIR.fullmatch(name):
            bases[found["base"]].append(name)
    return next((sorted(pair) for pair in bases.values() if len(pair) == 2), [])


def _crossed(folder: Path, file: ChoiceFile, pictures: list[str], captions: list[str]) -> Finding:
    """Return how examples of two images and two captions are read. Raises UnfitError if images are missing."""
    place = PicturePlace("")
    if not set(pictures) <= set(file.contained):
        names = [str(value) for column in pictures for value in values_of(file.rows, column)]
        place = _place_of(folder, file.name, names)
    ids = [name for name in ("id", "example_id", "index", "key") if _is_id(file.rows, name)]
    source: dict[str, Any] = {"reader": "crossed", "file": file.name, "images": place.images or "."}
    source |= {"example": ids[0] if ids else "", "pair": pictures, "captions": captions}
    source |= {"picture": f"{{}}{place.extension}"} if place.extension else {}
    source |= {"prefix": place.prefix} if place.prefix else {}
    what = f"{file.name}: two images ({', '.join(pictures)}) and two captions ({', '.join(captions)}) per example"
    return Finding(source, "choice", file.name, what, place.notes(), params={"sets": True}, headline="group_score")


def _is_id(rows: Rows, name: str) -> bool:
    values = [row.get(name) for row in rows]
    return all(isinstance(value, str | int) for value in values) and len(set(values)) == len(values)


def _place_of(folder: Path, shown: str, names: list[str]) -> PicturePlace:
    place = picture_place(folder, names) or place_without_extension(folder, names)
    if place is None:
        raise UnfitError(f"{shown}: its images (first: {', '.join(names[:1])}) are not below {folder}.")
    return place


# A true caption and a false one


def _false(file: ChoiceFile) -> list[str]:
    """Return the columns of false captions, whose texts differ, unlike the name of a method."""
    return [name for name in text_columns(file.rows) if FALSE.search(name) and _are_different(file.rows, name)]


def _true(file: ChoiceFile, false: Sequence[str]) -> list[str]:
    """Return the columns of true captions: the usual one, and others with its name and a number (SugarCrepe++)."""
    try:
        caption = caption_column(file.name, file.rows, "", [*file.pictures, *false])
    except UndecidedError:
        caption = ""
    numbered = [name for name in text_columns(file.rows) if re.fullmatch(re.escape(caption) + "_?[0-9]", name)]
    return [caption, *numbered] if caption else []


def _are_different(rows: Rows, name: str) -> bool:
    values = values_of(rows, name)
    if any(isinstance(value, list) for value in values):
        return False
    return len(set(values)) > MOST_REPEATED * len(values)


def _contrast(folder: Path, parent: str, files: list[ChoiceFile], hints: DetectionHints) -> Finding:
    """Return how files of items with true and false captions are read. Raises UnfitError if that is not clear."""
    first = files[0]
    false = _false(first)
    true = _true(first, false)
    if not true:
        raise UnfitError(f"{first.name} has false captions ({false[0]}), but no column of true ones was found.")
    images = [hints.image] if hints.image else first.pictures
    if len(images) != 1:
        raise UnfitError(f"{first.name}: {listing(images) or 'no column'} could hold the image: add --image.")
    place = PicturePlace("")
    if images[0] not in first.contained:
        place = _place_of(folder, first.name, [str(name) for file in files for name in values_of(file.rows, images[0])])
    stems = [PurePosixPath(file.name).stem.rstrip("-*") for file in files]
    strata = [stem for stem in stems if STRATUM.fullmatch(stem)] if len(files) > 1 else []
    source: dict[str, Any] = {"reader": "contrast"}
    source |= {"annotations": parent} if parent != "." else {}
    source |= {"files": [PurePosixPath(file.name).name for file in files], "images": place.images or "."}
    source |= {"image": images[0], "true": true[0] if len(true) == 1 else true}
    source |= {"false": false[0] if len(false) == 1 else false} | ({"prefix": place.prefix} if place.prefix else {})
    notes = place.notes()
    if all(_has_votes(file) for file in files):
        source["at_least"] = {VOTES: FEWEST_VOTES}
        notes.append(f"only items with {VOTES} of at least {FEWEST_VOTES} count; edit `at_least` in the card for all")
    if len(true) > 1:
        notes.append(f"each of {', '.join(true)} is a query against {', '.join(false)}; the headline counts queries")
    what = f"{_shown(files)}: true captions ({', '.join(true)}) against false ones ({', '.join(false)})"
    where = first.name if len(files) == 1 else parent
    return Finding(source, "choice", hints.file or where, what, notes, params={"strata": strata} if strata else {})


def _has_votes(file: ChoiceFile) -> bool:
    values = values_of(file.rows, VOTES)
    return len(values) == len(file.rows[:200]) and all(isinstance(value, int | float) for value in values)


def _shown(files: Sequence[ChoiceFile]) -> str:
    names = [PurePosixPath(file.name).name for file in files]
    return names[0] if len(names) == 1 else f"{len(names)} files ({listing(names)})"
