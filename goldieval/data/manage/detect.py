"""Detection of the layout of a folder: web datasets, COCO captions, a table, or class folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError, TaskError, listing
from goldieval.data.labels import NUMBER
from goldieval.data.manage.columns import (
    DetectedColumns,
    Rows,
    UndecidedError,
    UnfitError,
    columns_of,
    folders_below,
    numbered_classes,
    picture_root,
)
from goldieval.data.table_files import read_json_file, read_table
from goldieval.data.walk import ending_of, is_leftover, is_picture
from goldieval.data.webdataset import samples_of

TABLES = {".csv": "CSV", ".tsv": "TSV", ".jsonl": "JSON Lines", ".json": "JSON"}
CLASS_NAMES = "classes.txt"
DEPTH = 2
MOST_SEEN = 100_000  # maximum number of files counted for the error message
HINTS = {
    ".parquet": "a card with `reader: parquet` reads Parquet files",
    ".tar": "a web dataset is <split>/0.tar, 1.tar … with their number in <split>/nshards.txt",
    ".ndjson": "name JSON Lines .jsonl",
    ".gz": "unpack what is compressed",
    ".zip": "unpack what is compressed",
    ".xlsx": "save a spreadsheet as CSV",
    ".json": "JSON is a list of rows, in pandas to_json(orient='records'), or COCO's with 'file_name' and 'caption'",
    ".txt": "a card with `reader: sidecar` reads a text file beside each picture",
}


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


def detect(folder: Path, hints: DetectionHints) -> Finding:
    """Detect the layout of a folder.

    Raises:
        GoldievalError: No layout fits, or several do; names them, and the option that decides.
    """
    faults: list[GoldievalError] = []
    for kind in (_webdatasets, _coco, _tables, _class_folders):
        found = [each for each in kind(folder, hints, faults) if hints.file in ("", each.place)]
        if len(found) > 1:
            raise UndecidedError(f"{found[0].place} and {found[1].place} both fit: add --file {found[0].place}.")
        if found:
            return found[0]
        if undecided := [fault for fault in faults if isinstance(fault, UndecidedError)]:
            raise undecided[0]
    if faults:
        raise faults[0]
    asked = f" as {hints.file}" if hints.file else ""
    want = {"retrieval": "captions", "zeroshot": "classes"}.get(hints.family or "", "captions or classes")
    raise GoldievalError(
        f"{folder} holds no images with {want}{asked}: no class folders, CSV, TSV, JSON Lines, COCO captions or web "
        f"dataset. {_seen(folder)} Name the table with --file, or write a card."
    )


def _seen(folder: Path) -> str:
    """Return a description of a folder's files when no layout was detected, with a hint."""
    counts: Counter[str] = Counter()
    places = (folder, *folders_below(folder, DEPTH))
    for file in islice((file for place in places for file in place.iterdir()), MOST_SEEN):
        if not is_leftover(file.name) and not file.is_dir():
            counts[ending_of(file)] += 1
    hints = [hint for ending, hint in HINTS.items() if counts[ending] > (1 if ending == ".txt" else 0)]
    held = listing([f"{count:,} {ending}" for ending, count in counts.most_common()], 6) or "no file"
    return f"It holds {held}{f' ({hints[0]})' if hints else ''}."


def _wanted(family: str, hints: DetectionHints) -> bool:
    return hints.family in (None, family)


def _webdatasets(folder: Path, hints: DetectionHints, faults: list[GoldievalError]) -> list[Finding]:
    """Detect ``<split>/nshards.txt`` with tar files; the first sample distinguishes classes from captions."""
    found = []
    for place in folders_below(folder, 1):
        first = place / "0.tar"
        if not first.is_file():
            continue
        if not (place / "nshards.txt").is_file():
            faults.append(UndecidedError(f"{place} holds tars but no nshards.txt: write their number into that file."))
            continue
        _, members = next(samples_of(first), ("", {}))
        family = "zeroshot" if "cls" in members else "retrieval"
        if _wanted(family, hints):
            description = f"a web dataset, {'classes in .cls' if family == 'zeroshot' else 'captions in .txt'}"
            found.append(Finding({"reader": "webdataset", "split": place.name}, family, place.name, description))
    return found


def _coco(folder: Path, hints: DetectionHints, faults: list[GoldievalError]) -> list[Finding]:
    found = []
    for file in _files(folder, [".json"]) if _wanted("retrieval", hints) else []:
        name = file.relative_to(folder).as_posix()
        content = _json(file, faults) if hints.file in ("", name) else None
        if not isinstance(content, dict) or not _has_captions(content):
            continue
        names = [str(image.get("file_name")) for image in content["images"] if isinstance(image, dict)]
        root = picture_root(folder, names)
        if root is None:
            faults.append(UnfitError(f"{name}: its images (first: {', '.join(names[:1])}) are not below {folder}."))
            continue
        source = {"reader": "coco", "annotations": name, "images": root}
        found.append(Finding(source, "retrieval", name, f"COCO captions in {name}, images in {root}"))
    return found


def _has_captions(content: dict[str, Any]) -> bool:
    parts = content.get("images"), content.get("annotations")
    if not all(isinstance(part, list) and part and isinstance(part[0], dict) for part in parts):
        return False
    has_captions = any(isinstance(each, dict) and "caption" in each for each in content["annotations"])
    return has_captions and any(isinstance(each, dict) and "file_name" in each for each in content["images"])


def _tables(folder: Path, hints: DetectionHints, faults: list[GoldievalError]) -> list[Finding]:
    found = []
    for file in _files(folder, list(TABLES)):
        name = file.relative_to(folder).as_posix()
        if hints.file not in ("", name):
            continue
        if file.suffix.lower() == ".json" and not isinstance(_json(file, faults), list):
            continue
        try:
            rows: Rows = [row for _, row in read_table(file)]
            if not rows:
                raise UnfitError(f"{name} has no rows.")
            named = {"image": hints.image, "caption": hints.caption, "label": hints.label}
            columns = columns_of(rows, folder, name, named, hints.family or _named_family(hints))
        except (TaskError, UnfitError, UndecidedError) as error:
            faults.append(error)
            continue
        numbers = numbered_classes(rows, columns.label) if columns.label and not columns.caption else []
        if numbers and not (folder / CLASS_NAMES).is_file():
            faults.append(UndecidedError(_names_wanted(folder, name, columns.label, numbers)))
            continue
        found.append(_of_table(file, name, columns, CLASS_NAMES if numbers else ""))
    return found


def _named_family(hints: DetectionHints) -> str | None:
    return "retrieval" if hints.caption else "zeroshot" if hints.label else None


def _names_wanted(folder: Path, table: str, column: str, numbers: Sequence[str]) -> str:
    if words := [label for label in numbers if not NUMBER.fullmatch(label)]:
        digits = [label for label in numbers if NUMBER.fullmatch(label)]
        return (
            f"{table}: column {column!r} holds class names ({listing(words, 3)}) and class numbers "
            f"({listing(digits, 3)}). Use one kind."
        )
    return (
        f"{table}: column {column!r} holds class numbers ({listing(numbers, 5)}), but prompts require names. Write "
        f"them into {folder / CLASS_NAMES}, one per line, from class 0 on, and run the same command again."
    )


def _of_table(file: Path, name: str, columns: DetectedColumns, classes: str) -> Finding:
    family = "retrieval" if columns.caption else "zeroshot"
    what = f"captions in {columns.caption!r}" if columns.caption else f"classes in {columns.label!r}"
    description = f"a {TABLES[file.suffix.lower()]} table {name}, images in {columns.image!r}, {what}"
    named = {"classes": classes} if classes else {}
    return Finding({"reader": "table", "file": name, **columns.source(family), **named}, family, name, description)


def _class_folders(folder: Path, hints: DetectionHints, faults: list[GoldievalError]) -> list[Finding]:
    if not _wanted("zeroshot", hints):
        return []
    looked_at = (folder, *folders_below(folder, DEPTH))
    places = [place for place in looked_at if _holds_classes(place)]
    faults += [] if places else [fault for place in looked_at if (fault := _nearly_classes(place))]
    names = [place.relative_to(folder).as_posix() for place in places]
    return [
        Finding({"reader": "folder", **({"folder_name": name} if name != "." else {})}, "zeroshot", name, description)
        for name in names
        if (description := f"class folders{f' in {name}' if name != '.' else ''}")
    ]


def _holds_classes(place: Path) -> bool:
    """Return whether a folder has at least two subfolders, each containing images directly."""
    folders = folders_below(place, 1)
    return len(folders) > 1 and all(_holds_pictures(each) for each in folders)


def _holds_pictures(folder: Path) -> bool:
    return any(is_picture(file.name) for file in folder.iterdir())


def _nearly_classes(place: Path) -> UnfitError | None:
    """Return why subfolders with images are not class folders: some of them contain no images."""
    folders = folders_below(place, 1)
    without = [each.name for each in folders if not _holds_pictures(each)]
    if not without or len(folders) - len(without) < 2:
        return None
    return UnfitError(
        f"{place}: {len(folders) - len(without):,} folders could be classes, but {listing(without)} hold no images of "
        "their own. Remove these, or write a card with `reader: folder` (`exclude` names folders that are not classes)."
    )


def _files(folder: Path, endings: Sequence[str]) -> list[Path]:
    places = (folder, *folders_below(folder, DEPTH))
    files = (file for place in places for file in place.iterdir() if file.is_file() and not is_leftover(file.name))
    return sorted(file for file in files if file.suffix.lower() in endings)


def _json(file: Path, faults: list[GoldievalError]) -> Any:
    """Return the content of a JSON file, or None after adding the error to ``faults``."""
    try:
        return read_json_file(file)
    except TaskError as error:
        faults.append(error)
        return None
