"""Examples of two images and two captions: which columns they are in, and how they are read."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from goldieval.data.manage.choice_files import ChoiceFile, place_of
from goldieval.data.manage.columns import USUAL, Rows
from goldieval.data.manage.finding import Finding
from goldieval.data.manage.generic_names import words_of
from goldieval.data.manage.places import PicturePlace
from goldieval.data.manage.row_columns import paths_of, text_columns, values_of

PAIR = re.compile(r"(?P<base>.*?)[_-]?(?P<side>[01]|[12]|a|b)", re.IGNORECASE)
GROUP_CHANCE = 1 / 6  # of four scores in random order, see metrics.definitions.set_scores


def pair_columns(file: ChoiceFile) -> tuple[list[str], list[str]] | None:
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


def crossed_finding(folder: Path, file: ChoiceFile, pictures: list[str], captions: list[str]) -> Finding:
    """Return how examples of two images and two captions are read. Raises UnfitError if images are missing."""
    place = PicturePlace("")
    if not set(pictures) <= set(file.contained):
        names = [str(value) for column in pictures for value in values_of(file.rows, column)]
        place = place_of(folder, file.name, names)
    ids = [name for name in ("id", "example_id", "index", "key") if _is_id(file.rows, name)]
    source: dict[str, Any] = {"reader": "crossed", "file": file.name}
    source |= {"images": place.images} if place.images not in ("", ".") else {}
    source |= {"example": ids[0] if ids else "", "pair": pictures, "captions": captions}
    source |= {"picture": f"{{}}{place.extension}"} if place.extension else {}
    source |= {"prefix": place.prefix} if place.prefix else {}
    what = f"{file.name}: two images ({', '.join(pictures)}) and two captions ({', '.join(captions)}) per example"
    return Finding(
        source,
        "choice",
        file.name,
        what,
        place.notes(),
        params={"sets": True},
        headline="group_score",
        chance=GROUP_CHANCE,
    )


def _is_id(rows: Rows, name: str) -> bool:
    values = [row.get(name) for row in rows]
    return all(isinstance(value, str | int) for value in values) and len(set(values)) == len(values)
