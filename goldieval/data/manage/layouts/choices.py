"""Choices between captions: items with a true and a false one (SugarCrepe, VALSE), or pairs of both (Winoground)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from goldieval.core.errors import TaskError, listing
from goldieval.data.manage.choice_files import ChoiceFile, choice_files, place_of
from goldieval.data.manage.columns import Rows
from goldieval.data.manage.crossed_pairs import crossed_finding, pair_columns
from goldieval.data.manage.finding import (
    DetectionHints,
    Faults,
    Finding,
    UndecidedError,
    UnfitError,
    is_wanted,
)
from goldieval.data.manage.places import PicturePlace
from goldieval.data.manage.row_columns import caption_column, text_columns, values_of

FALSE = re.compile(r"(^|_)(neg|negative|foil|false|wrong|incorrect|hard)", re.IGNORECASE)
ABOUT = re.compile(r".*_(method|type|kind|class|classes|category|id|tag|score|source)", re.IGNORECASE)  # of a caption
VOTES, FEWEST_VOTES = "mturk.caption", 2  # VALSE: items that fewer annotators accepted do not count
MOST_REPEATED = 0.1  # share of different texts that a column of false captions has at least
STRATUM = re.compile("[a-z0-9_]+")


def find(folder: Path, hints: DetectionHints, faults: Faults) -> list[Finding]:
    """Return one finding for all files of a folder with the same columns; near misses are added to ``faults``."""
    if not is_wanted("choice", hints):
        return []
    found: list[Finding] = []
    contrasts: dict[tuple[str, ...], list[ChoiceFile]] = defaultdict(list)
    for file in choice_files(folder, hints):
        if pair := pair_columns(file):
            found += _guarded(lambda file=file, pair=pair: crossed_finding(folder, file, *pair), faults)
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


def _false(file: ChoiceFile) -> list[str]:
    """Return the columns of false captions, whose texts differ, unlike the name of a method."""
    named = [name for name in text_columns(file.rows) if FALSE.search(name) and not ABOUT.fullmatch(name)]
    return [name for name in named if _are_different(file.rows, name)]


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
        place = place_of(folder, first.name, [str(name) for file in files for name in values_of(file.rows, images[0])])
    stems = [PurePosixPath(file.name).stem.rstrip("-*") for file in files]
    strata = [stem for stem in stems if STRATUM.fullmatch(stem)] if len(files) > 1 else []
    source: dict[str, Any] = {"reader": "contrast"}
    source |= {"annotations": parent} if parent != "." else {}
    source |= {"files": [PurePosixPath(file.name).name for file in files]}
    source |= {"images": place.images} if place.images not in ("", ".") else {}
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
    return Finding(
        source,
        "choice",
        hints.file or where,
        what,
        notes,
        params={"strata": strata} if strata else {},
        chance=1 / (1 + len(false)),
    )


def _has_votes(file: ChoiceFile) -> bool:
    values = values_of(file.rows, VOTES)
    return len(values) == len(file.rows[:200]) and all(isinstance(value, int | float) for value in values)


def _shown(files: Sequence[ChoiceFile]) -> str:
    names = [PurePosixPath(file.name).name for file in files]
    return names[0] if len(names) == 1 else f"{len(names)} files ({listing(names)})"
