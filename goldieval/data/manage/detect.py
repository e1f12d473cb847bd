"""Detection of the layout of a folder: web datasets, COCO captions, a table, or class folders."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError, listing
from goldieval.data.manage.columns import UndecidedError, UnfitError, folders_below, picture_root
from goldieval.data.manage.detect_class_folders import find_class_folders
from goldieval.data.manage.detect_table import find_tables
from goldieval.data.manage.finding import DEPTH, DetectionHints, Finding, files_of, is_wanted, json_or_none
from goldieval.data.walk import ending_of, is_leftover
from goldieval.data.webdataset import samples_of

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


def detect(folder: Path, hints: DetectionHints) -> Finding:
    """Detect the layout of a folder.

    Raises:
        GoldievalError: No layout fits, or several do; names them, and the option that decides.
    """
    faults: list[GoldievalError] = []
    for kind in (_webdatasets, _coco, find_tables, find_class_folders):
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
        if is_wanted(family, hints):
            description = f"a web dataset, {'classes in .cls' if family == 'zeroshot' else 'captions in .txt'}"
            found.append(Finding({"reader": "webdataset", "split": place.name}, family, place.name, description))
    return found


def _coco(folder: Path, hints: DetectionHints, faults: list[GoldievalError]) -> list[Finding]:
    found = []
    for file in files_of(folder, [".json"]) if is_wanted("retrieval", hints) else []:
        name = file.relative_to(folder).as_posix()
        content = json_or_none(file, faults) if hints.file in ("", name) else None
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
