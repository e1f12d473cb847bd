"""Detection of the layout of a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from goldieval.core.errors import GoldievalError, listing
from goldieval.core.text import shell_argument
from goldieval.data.file_names import relative_name
from goldieval.data.manage.family_defaults import wanted_words
from goldieval.data.manage.finding import (
    DEPTH,
    DetectionHints,
    Faults,
    Finding,
    UndecidedError,
    UnfitError,
    forget_files,
)
from goldieval.data.manage.generic_names import preferred_split, split_of, without_split
from goldieval.data.manage.layouts import LAYOUTS
from goldieval.data.manage.pickles import pickle_in
from goldieval.data.manage.places import folders_below
from goldieval.data.manage.train_findings import layout_hints, with_train_splits
from goldieval.data.walk import ending_of, is_leftover

MOST_SEEN = 100_000  # maximum number of files counted for the error message
MOST_NEAR = 3  # files that nearly fit and are named
HINTS = {
    ".parquet": "a Parquet file needs a column of images, or of names of images below the folder",
    ".tar": "in a tar, images and their texts or labels have the same name",
    ".gz": "unpack what is compressed",
    ".zip": "unpack what is compressed",
    ".xlsx": "save a spreadsheet as CSV",
    ".json": "JSON is a list of rows, in pandas to_json(orient='records'), or COCO's with 'file_name' and 'caption'",
    ".txt": "a card with `reader: sidecar` reads a text file beside each picture",
}


def detect(folder: Path, hints: DetectionHints) -> Finding:
    """Detect the layout of a folder: the first that fits; its notes name the others.

    Raises:
        GoldievalError: No layout fits, or several files fit that are not splits; names them, and the option that
            decides.
    """
    if hints.file:
        hints = replace(hints, file=PurePosixPath(relative_name(folder, hints.file)).as_posix())
    try:
        return _detect(folder, hints)
    finally:
        forget_files()


def _detect(folder: Path, hints: DetectionHints) -> Finding:
    faults: Faults = []
    for number, layout in enumerate(LAYOUTS):
        fitting = with_train_splits(layout(folder, layout_hints(hints), faults), hints, faults)
        found = [each for each in fitting if hints.file in ("", each.place)]
        if found:
            others = [] if hints.file else _others(folder, hints, number + 1)
            return _with_alternatives(_one_of(found), found, others, faults)
        if undecided := [fault for fault in faults if isinstance(fault, UndecidedError)]:
            raise undecided[0]
    if (pickle := pickle_in(folder)) is not None:
        raise GoldievalError(
            f"{folder} holds Python pickles ({pickle.relative_to(folder)}), which can run any code when opened, so "
            "they are never read. Take the binary version of the data set (CIFAR has one), web datasets (goldieval "
            "data get cifar10), or class folders of images."
        )
    if faults:
        raise faults[0]
    asked = f" as {hints.file}" if hints.file else ""
    raise GoldievalError(
        f"{folder} holds no images with {wanted_words(hints.named_family)}{asked}: no class folders, CSV, TSV, JSON "
        f"Lines, COCO JSON, Parquet, masks or web dataset. {_seen(folder)} Name the table with --file, or write a card."
    )


def _others(folder: Path, hints: DetectionHints, first: int) -> list[Finding]:
    """Return what other layouts fit as well, one finding each."""
    found = (with_train_splits(layout(folder, layout_hints(hints), []), hints, []) for layout in LAYOUTS[first:])
    return [_of_each_data_set(each)[0] for each in found if each]


def _one_of(found: Sequence[Finding]) -> Finding:
    """Return the only finding, or that of the split to evaluate."""
    chosen = _of_each_data_set(found)
    if len(chosen) > 1:
        places = [each.place for each in chosen]
        both = f"{places[0]} and {places[1]} both fit" if len(places) == 2 else f"{listing(places)} fit"
        raise UndecidedError(f"{both}: add --file {shell_argument(places[0])}.")
    return chosen[0]


def _of_each_data_set(found: Sequence[Finding]) -> list[Finding]:
    """Return the finding of the split to evaluate for each data set."""
    data_sets: dict[tuple[str, ...], list[Finding]] = {}
    for each in found:
        data_sets.setdefault((each.family, *without_split(each.place)), []).append(each)
    return [each for splits in data_sets.values() for each in _preferred(splits)]


def _preferred(splits: Sequence[Finding]) -> Sequence[Finding]:
    """Return the finding of the split to evaluate, or all if they are not the splits of one data set."""
    chosen = preferred_split(splits, lambda each: each.place)
    return splits if chosen is None else [chosen]


def _with_alternatives(
    chosen: Finding, found: Sequence[Finding], others: Sequence[Finding], faults: Sequence[GoldievalError]
) -> Finding:
    """Return a completed finding with notes on the splits that were not taken, the other layouts, and near misses."""
    whole = chosen.complete(chosen) if chosen.complete else chosen
    notes = list(whole.notes)
    if splits := [each for each in found if each is not chosen]:
        options = listing([f"--file {shell_argument(each.place)}" for each in splits])
        notes.append(f"of {len(found)} splits {split_of(chosen.place)} is taken; the others: {options}")
    used = _files_of(whole.source)
    for other in (each for each in others if each.place not in used):
        notes.append(f"it also holds {other.description}: --file {shell_argument(other.place)}")
    near = [str(fault) for fault in faults if isinstance(fault, UnfitError)]
    notes += [f"not used: {line}" for line in list(dict.fromkeys(near))[:MOST_NEAR]]
    return replace(whole, notes=notes)


def _files_of(source: Mapping[str, Any]) -> set[str]:
    """Return the files that a source reads, relative to the folder."""
    single = {str(source[key]) for key in ("file", "annotations") if key in source}
    return single | {PurePosixPath(source.get("annotations", "."), name).as_posix() for name in source.get("files", [])}


def _seen(folder: Path) -> str:
    """Return a description of a folder's files when no layout was detected, with a hint."""
    counts: Counter[str] = Counter()
    places = (folder, *folders_below(folder, DEPTH))
    for file in islice((file for place in places for file in place.iterdir()), MOST_SEEN):
        if not is_leftover(file.name) and not file.is_dir():
            counts[ending_of(file)] += 1
    hints = [hint for ending, hint in HINTS.items() if counts[ending] > (1 if ending == ".txt" else 0)]
    held = listing([f"{count:,} {ending}" for ending, count in counts.most_common()], 6)
    held = held or f"no file down to {DEPTH} levels of folders; name the folder nearest to the data"
    return f"It holds {held}{f' ({hints[0]})' if hints else ''}."
