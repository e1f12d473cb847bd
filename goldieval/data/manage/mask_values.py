"""The meaning of the values in masks: which are classes, which are ignored, and how the classes are called."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from goldieval.core.errors import listing
from goldieval.core.meter import tracked
from goldieval.data.manage.finding import UnfitError
from goldieval.data.manage.mask_names import ClassList
from goldieval.data.masks import VALUES, read_values

MOST_COUNTED = 5_000  # masks
MOST_UNNAMED = 160  # values without a name; more are shades of grey
NO_LABEL = 255
LABELME_IGNORED = "__ignore__"  # the first line of labelme's lists, of value -1
VOID = re.compile(
    r"[\W_]*(?:void|un-?labell?ed|ignored?|unknown|undefined|no[ _-]?label|unannotated|don'?t[ _-]?care)[\W_]*", re.I
)


@dataclass(frozen=True)
class SeenValues:
    """Values of masks.

    Attributes:
        pixels: Number of pixels of each value, shape (256,).
        counted: Number of masks that were counted.
        total: Number of masks.
    """

    pixels: np.ndarray
    counted: int
    total: int

    @property
    def values(self) -> list[int]:
        return [int(value) for value in np.flatnonzero(self.pixels)]

    def share(self, value: int) -> str:
        """Return the share of all pixels that have a value, as a percentage."""
        return f"{self.pixels[value] / self.pixels.sum():.1%}"


@dataclass(frozen=True)
class Meaning:
    """Meaning of the values.

    Attributes:
        source: Keys of the card's source block.
        classes: Class names in the order of their indices.
        notes: What is ignored, and what is not certain.
    """

    source: dict[str, Any]
    classes: list[str]
    notes: list[str] = field(default_factory=list)


def count_values(files: Sequence[Path]) -> SeenValues:
    """Count the values of all masks, or of evenly spaced ones if there are very many.

    Raises:
        TaskError: A mask has colours, more than 8 bits, or is not an image.
    """
    some = files[:: -(-len(files) // MOST_COUNTED)]

    def count(file: Path) -> np.ndarray:
        return np.bincount(read_values(file).ravel(), minlength=VALUES)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = tracked(pool.map(count, some), "counting the values of masks", len(some))
        pixels = sum(counts, np.zeros(VALUES, dtype=np.int64))
    return SeenValues(pixels, len(some), len(files))


def meaning_of(seen: SeenValues, listed: ClassList | None) -> Meaning:
    """Return the meaning of the values that were seen.

    Args:
        seen: The values.
        listed: Names of the classes, from a file.

    Raises:
        UnfitError: There are no names, and too many values for labels.
    """
    notes = [values_note(seen)]
    named, more = _by_value(seen, listed) if listed else ({}, [])
    return _named(seen, named, [*notes, *more]) if named else _unnamed(seen, [*notes, *more])


def values_note(seen: SeenValues) -> str:
    """Return the values, and in how many masks they were counted."""
    counted = "all" if seen.counted == seen.total else f"{seen.counted:,} of"
    return f"values in {counted} {seen.total:,} masks: {listing(map(str, ranges(seen.values)), 12)}"


def ignored_note(seen: SeenValues, classes: Collection[int], named: Mapping[int, str]) -> list[str]:
    """Return the values that are no classes, with the share of their pixels, or nothing if there are none."""
    ignored = [value for value in seen.values if value not in classes]
    words = [f"{value} ({named.get(value, 'no name')}, {seen.share(value)} of the pixels)" for value in ignored]
    return [f"ignored: value {listing(words, 4)}"] if words else []


def _by_value(seen: SeenValues, listed: ClassList) -> tuple[dict[int, str], list[str]]:
    """Return the name of each value, or nothing if a list does not fit, and notes."""
    if listed.by_value:
        return listed.by_value, [f"class names from {listed.file}"]
    names = listed.names[1:] if listed.names[0] == LABELME_IGNORED else listed.names
    highest = max([value for value in seen.values if value != NO_LABEL], default=0)
    if highest > len(names):
        return {}, [f"{listed.file} is not used: it has {len(names):,} names, but values reach {highest}"]
    first = 1 if highest == len(names) else 0
    return dict(enumerate(names, start=first)), [f"class names from {listed.file}; its first, {names[0]!r}, is {first}"]


def _named(seen: SeenValues, named: Mapping[int, str], notes: list[str]) -> Meaning:
    classes = {value: name for value, name in sorted(named.items()) if not VOID.fullmatch(name)}
    ignored = [value for value in seen.values if value not in classes]
    notes = [*notes, *ignored_note(seen, classes, named)]
    return Meaning(_source(classes, ignored), list(classes.values()), notes)


def _unnamed(seen: SeenValues, notes: list[str]) -> Meaning:
    values = seen.values
    if len(values) > MOST_UNNAMED:
        raise UnfitError(f"the masks hold {len(values)} different values: pictures in grey, not labels of classes.")
    ignored = [NO_LABEL] if NO_LABEL in values and len(values) > 2 else []
    classes = {value: f"class {value}" if value else "background" for value in values if value not in ignored}
    if ignored:
        notes = [*notes, f"ignored: value {NO_LABEL} ({seen.share(NO_LABEL)} of the pixels)"]
    if 0 in classes:
        notes = [
            *notes,
            f"value 0 ({seen.share(0)} of the pixels) is taken as the class 'background'; if it means that there is no "
            "label, move it from values to ignore in the card, and remove its name",
        ]
    return Meaning(_source(classes, ignored), list(classes.values()), [*notes, "no names of the classes were found"])


def _source(classes: Mapping[int, str], ignored: Sequence[int]) -> dict[str, Any]:
    """Return the keys of the source block; 255 is also ignored if it did not occur, unless it is a class."""
    without = sorted({*ignored, NO_LABEL} - set(classes))
    return {"values": ranges(list(classes)), **({"ignore": ranges(without)} if without != [NO_LABEL] else {})}


def ranges(values: Sequence[int]) -> list[int | str]:
    """Return sorted values with runs written as ranges.

    >>> ranges([0, 1, 2, 5, 7, 8])
    ['0-2', 5, '7-8']
    """
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return [run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
