"""A detected layout of a folder, the options that restrict it, and the files that detectors look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError, TaskError
from goldieval.data.manage.columns import folders_below
from goldieval.data.table_files import read_json_file
from goldieval.data.walk import is_leftover

TABLES = {".csv": "CSV", ".tsv": "TSV", ".jsonl": "JSON Lines", ".json": "JSON"}
DEPTH = 2  # of the subfolders that are searched


@dataclass(frozen=True)
class DetectionHints:
    """Options given by the user; empty if they are to be determined.

    Attributes:
        family: Task family.
        file: Table, caption file or folder, relative to the folder.
        image: Column of the image.
        caption: Column of the caption.
        label: Column of the label.
    """

    family: str | None = None
    file: str = ""
    image: str = ""
    caption: str = ""
    label: str = ""


@dataclass(frozen=True)
class Finding:
    """A detected layout.

    Attributes:
        source: The card's source block, without its location.
        family: Task family.
        place: File or folder that determines the layout.
        description: Description for one line of output.
    """

    source: dict[str, Any]
    family: str
    place: str
    description: str


def is_wanted(family: str, hints: DetectionHints) -> bool:
    """Return whether the options allow a task family."""
    return hints.family in (None, family)


def files_of(folder: Path, endings: Sequence[str]) -> list[Path]:
    """Return the files with one of the endings, in a folder and up to ``DEPTH`` folders below it, sorted."""
    places = (folder, *folders_below(folder, DEPTH))
    files = (file for place in places for file in place.iterdir() if file.is_file() and not is_leftover(file.name))
    return sorted(file for file in files if file.suffix.lower() in endings)


def json_or_none(file: Path, faults: list[GoldievalError]) -> Any:
    """Return the content of a JSON file, or None after adding the error to ``faults``."""
    try:
        return read_json_file(file)
    except TaskError as error:
        faults.append(error)
        return None
