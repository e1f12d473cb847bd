"""Two folders, of images and of masks, whose files correspond by name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from goldieval.core.errors import TaskError
from goldieval.data.manage.finding import DetectionHints, Faults, Finding, UnfitError, files_of, is_wanted
from goldieval.data.manage.generic_names import split_of
from goldieval.data.manage.mask_pairs import DEPTH, Pair, pairs_in, stems_in, unpaired_in
from goldieval.data.manage.masks_completed import completed
from goldieval.data.source import read_lines

MOST_NAMES = 10_000_000  # bytes of a list of names


def find(folder: Path, hints: DetectionHints, faults: Faults) -> list[Finding]:
    """Return the pairs of folders; for one with lists of the names of each split, these lists."""
    if not is_wanted("segmentation", hints):
        return []
    pairs = pairs_in(folder)
    if not pairs and (names := unpaired_in(folder)):
        faults.append(
            UnfitError(
                f"{folder}: images and masks do not correspond by name (first: {names[0]}, {names[1]}). Give them the "
                "same names, with a suffix for the masks, or write a table with columns for image and mask."
            )
        )
    return [found for pair in pairs for found in _of_pair(folder, pair)]


def _of_pair(folder: Path, pair: Pair) -> list[Finding]:
    named = {"image_suffix": pair.image_suffix, "mask_suffix": pair.mask_suffix if pair.mask_suffix != ".png" else ""}
    source = {"reader": "masks", "images": pair.images, "masks": pair.masks}
    source |= {key: value for key, value in named.items() if value}
    about = f"images in {pair.images}, masks in {pair.masks} ({pair.mask_suffix})"
    lists = [] if split_of(pair.masks) else list(_lists(folder, pair))
    sources: list[tuple[str, dict[str, Any], str]] = [
        (name, source | {"names": name}, f"{about}, names in {name}") for name in lists
    ]
    sources = sources or [(pair.masks, source, about)]
    return [
        Finding(source, "segmentation", place, about, complete=partial(completed, folder))
        for place, source, about in sources
    ]


def _lists(folder: Path, pair: Pair) -> Iterator[str]:
    """Yield the text files that list the names of a split's images, all of which have a mask."""
    stems = stems_in(folder, pair)
    for file in files_of(folder, [".txt"], DEPTH):
        name = file.relative_to(folder).as_posix()
        if not split_of(name) or file.stat().st_size > MOST_NAMES:
            continue
        try:
            lines = read_lines(file)
        except TaskError:
            continue
        if lines and stems.issuperset(lines):
            yield name
