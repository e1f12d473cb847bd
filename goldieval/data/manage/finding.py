"""A detected layout of a folder, the options that restrict it, and the files that layouts look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError, TaskError
from goldieval.data.manage.places import folders_below
from goldieval.data.table_files import read_json_file
from goldieval.data.walk import is_leftover

TABLES = {".csv": "CSV", ".tsv": "TSV", ".jsonl": "JSON Lines", ".ndjson": "JSON Lines", ".json": "JSON"}
DEPTH = 2  # of the subfolders that are searched


class UndecidedError(GoldievalError):
    """Several columns or files fit, and the data do not determine which is meant."""


class UnfitError(GoldievalError):
    """Something looks like a layout, but cannot be read as one."""


@dataclass(frozen=True)
class DetectionHints:
    """Options given by the user; empty if they are to be determined.

    Attributes:
        family: Task family.
        file: Table, annotation file or folder, relative to the folder.
        image: Column of the image.
        caption: Column of the caption.
        label: Column of the label.
        mask: Column of the mask.
        keep_uncaptioned: Whether images without a caption stay in the gallery.
    """

    family: str | None = None
    file: str = ""
    image: str = ""
    caption: str = ""
    label: str = ""
    mask: str = ""
    keep_uncaptioned: bool = False

    @property
    def named_family(self) -> str | None:
        """The family given by the user, or the one that a named column belongs to."""
        by_column = {"retrieval": self.caption, "zeroshot": self.label, "segmentation": self.mask}
        return self.family or next((family for family, column in by_column.items() if column), None)


@dataclass(frozen=True)
class Finding:
    """A detected layout.

    Attributes:
        source: The card's source block, without its location.
        family: Task family.
        place: File or folder that determines the layout, relative to the folder; the value of ``--file``.
        description: Description for one line of output.
        notes: What was left out, and what the layout is not sure of; one line each.
        classes: Proposed class names, in the order of their indices; empty for those of the data.
        params: Parameters of the card that differ from the defaults of the family.
        headline: Headline metric; empty for that of the family.
        chance: Chance level of the headline metric, if it does not follow from the counts.
        licence: Licence of the data, if they state one.
        location: Keys of the source block that locate the data, if not the folder itself: ``hub`` and ``revision``.
        complete: Returns the finding with what takes long to find out; it is called only for the finding that is taken.
    """

    source: dict[str, Any]
    family: str
    place: str
    description: str
    notes: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    headline: str = ""
    chance: float | None = None
    licence: str = ""
    location: dict[str, Any] = field(default_factory=dict)
    complete: Callable[[Finding], Finding] | None = None


Faults = list[GoldievalError]
# A layout: its function ``find(folder, hints, faults)`` returns what fits, and adds near misses to ``faults``.
Find = Callable[[Path, DetectionHints, Faults], list[Finding]]


def is_wanted(family: str, hints: DetectionHints) -> bool:
    """Return whether the options allow a task family."""
    return hints.named_family in (None, family)


def files_of(folder: Path, endings: Sequence[str], depth: int = DEPTH) -> list[Path]:
    """Return the files with one of the endings, in a folder and up to ``depth`` folders below it, sorted."""
    places = (folder, *folders_below(folder, depth))
    files = (file for place in places for file in place.iterdir() if file.suffix.lower() in endings)
    return sorted(file for file in files if not is_leftover(file.name) and file.is_file())


def json_or_none(file: Path, faults: Faults) -> Any:
    """Return the content of a JSON file, which must not be changed, or None after adding the error to ``faults``."""
    try:
        about = file.stat()
        return _json(file, about.st_size, about.st_mtime_ns)
    except OSError as error:
        faults.append(UnfitError(f"cannot read {file}: {error.strerror or error}."))
    except TaskError as error:
        faults.append(error)
    return None


@lru_cache(maxsize=16)
def _json(file: Path, size: int, changed: int) -> Any:
    """Several layouts look at one file; ``forget_files`` frees the memory."""
    return read_json_file(file)


def forget_files() -> None:
    """Free what the layouts have read."""
    _json.cache_clear()
