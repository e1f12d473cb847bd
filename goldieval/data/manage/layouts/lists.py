"""Text files that list images with their classes: Food-101, DTD, Oxford-IIIT Pet, FGVC-Aircraft, Tiny ImageNet …"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from goldieval.core.errors import TaskError, listing
from goldieval.core.text import natural_order, shell_argument
from goldieval.data.labels import NUMBER
from goldieval.data.lists import ListSource, sorted_classes
from goldieval.data.manage.finding import DetectionHints, Faults, Finding, files_of, is_wanted
from goldieval.data.manage.generic_names import split_of
from goldieval.data.manage.places import folders_below
from goldieval.data.walk import is_picture

DEPTH = 3  # of the folders that are searched: dtd/dtd/labels
LOOKED_AT = 200  # lines
MOST_BYTES = 64_000_000
ENDINGS = ("", ".jpg", ".jpeg", ".png", ".JPEG", ".JPG", ".PNG", ".ppm", ".webp")


@dataclass(frozen=True)
class ClassifiedList:
    """A list and the way in which it names images and classes.

    Attributes:
        place: The file, relative to the folder.
        source: The card's source block.
        images: Paths of the images.
        classes: Classes that occur.
    """

    place: str
    source: dict[str, Any]
    images: frozenset[str]
    classes: list[str]


def find(folder: Path, hints: DetectionHints, faults: Faults) -> list[Finding]:
    """Return the lists; of several partitions the first, and of several levels of classes the finest."""
    if not is_wanted("zeroshot", hints):
        return []
    places = [folder, *folders_below(folder, DEPTH)]
    lists = []
    for file in files_of(folder, [".txt", ".lst", ".list", ".tsv"], DEPTH):
        if hints.file in ("", file.relative_to(folder).as_posix()) and file.stat().st_size <= MOST_BYTES:
            lists += _read(folder, file, places)
    if any(split_of(each.place) for each in lists):
        lists = [each for each in lists if split_of(each.place)]
    return list(_findings(lists))


def _findings(lists: list[ClassifiedList]) -> Iterator[Finding]:
    """Yield one finding for each split; lists of the same split are its partitions, or levels of classes."""
    splits: dict[tuple[str, str], list[ClassifiedList]] = {}
    for each in sorted(lists, key=lambda each: natural_order(each.place)):
        splits.setdefault((split_of(each.place) or each.place, each.source["images"]), []).append(each)
    for several in splits.values():
        finest = max(several, key=lambda each: len(each.classes))
        others = [f"--file {shell_argument(each.place)}" for each in several if each is not finest]
        notes = [f"other partitions or levels of classes: {listing(others)}"] if others else []
        about = f"the list {finest.place}, images in {finest.source['images']}"
        yield Finding(finest.source, "zeroshot", finest.place, about, notes, _short_names(finest))


def _short_names(of: ClassifiedList) -> list[str]:
    """Return the names of classes without the folder that all have in common, or nothing if there is none."""
    common = "" if "label" in of.source else posixpath.commonpath(of.classes)
    return [posixpath.relpath(name, common) for name in of.classes] if common and common not in of.classes else []


def _read(folder: Path, file: Path, places: list[Path]) -> list[ClassifiedList]:
    """Return a list of images with classes, or nothing if the file is another text, such as the caption of an image."""
    if any(file.with_suffix(ending).exists() for ending in ENDINGS if ending):
        return []
    name = file.relative_to(folder).as_posix()
    reader = ListSource(reader="list", path=".", file=name)
    try:
        lines = [line for _, line in reader.lines(folder)]
    except TaskError:
        return []
    tabs = "\t" if lines and all("\t" in line for line in lines) else ""
    reader = reader.model_copy(update={"separator": tabs})
    some = [reader.name_of(line) for line in lines[:: max(1, len(lines) // LOOKED_AT)]]
    found = next((found for ending in ENDINGS if (found := _located(folder, places, some, ending))), None)
    if found is None:
        return []
    images, ending = found
    named = {"images": images, "ending": ending, "separator": tabs}
    reader = reader.model_copy(update=named)
    kept = {key: value for key, value in named.items() if value}
    return [
        ClassifiedList(
            name,
            {"reader": "list", "file": name, **kept, **({"label": label} if label != "folder" else {})},
            frozenset(reader.name_of(line) for line in lines),
            classes,
        )
        for label, classes in _label(reader, lines)
    ][:1]


def _located(folder: Path, places: list[Path], names: list[str], ending: str) -> tuple[str, str] | None:
    """Return the folder below which the names, with an ending, are images, and the ending."""
    files = [f"{name}{ending}" for name in names]
    if not files or not all(is_picture(name) and "\0" not in name for name in files):
        return None
    for place in places:
        if _is_file(place, files[0]) and sum(_is_file(place, name) for name in files) > len(files) / 2:
            return place.relative_to(folder).as_posix(), ending
    return None


def _is_file(place: Path, name: str) -> bool:
    return ".." not in PurePosixPath(name).parts and os.path.isfile(place / name)


def _label(reader: ListSource, lines: list[str]) -> Iterator[tuple[int | str, list[str]]]:
    """Yield the places of the class that fit, the best first: a column of names, the folder, the name, a number."""
    columns = min(len(line.split(reader.separator or None)) for line in lines)
    spellings: list[int | str] = [*range(1, min(columns, 2)), "folder", "name"]
    labels = {spelling: _labels(reader, lines, spelling) for spelling in spellings}
    fitting = {key: found for key, found in labels.items() if found and 1 < len(set(found)) < len(lines)}
    numbers = {key for key, found in fitting.items() if all(NUMBER.fullmatch(label) for label in found)}
    for key in sorted(fitting, key=lambda key: key in numbers):
        if key == "name" and not any(_tell_the_same(fitting[key], fitting[other]) for other in numbers):
            continue  # a name without its number is a class only if a column of numbers agrees
        yield key, sorted_classes(set(fitting[key]))


def _labels(reader: ListSource, lines: list[str], label: int | str) -> list[str]:
    spelled = reader.model_copy(update={"label": label})
    try:
        return [spelled.label_of("", line) for line in lines]
    except TaskError:
        return []


def _tell_the_same(names: list[str], numbers: list[str]) -> bool:
    return len(set(zip(names, numbers, strict=True))) == len(set(names)) == len(set(numbers))
