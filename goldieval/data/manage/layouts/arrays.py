"""Raw pixels in one file: CIFAR's binary version, STL-10, and MNIST's format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from goldieval.data.manage.finding import DetectionHints, Faults, Finding, is_wanted
from goldieval.data.manage.places import folders_below
from goldieval.data.source import read_names

DEPTH = 3


@dataclass(frozen=True)
class Files:
    """The files of a data set's split.

    Attributes:
        layout: Name of the layout in the card.
        pixels: Name of the file.
        labels: Name of the file with the labels, or empty.
        classes: Name of the file with the class names, or empty.
        names: Class names, if there is no such file.
    """

    layout: str
    pixels: str
    labels: str = ""
    classes: str = ""
    names: tuple[str, ...] = ()


DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CLOTHES = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
KNOWN = (
    Files("cifar10", "test_batch.bin", classes="batches.meta.txt"),
    Files("cifar100", "test.bin", classes="fine_label_names.txt"),
    Files("stl10", "test_X.bin", "test_y.bin", "class_names.txt"),
    Files("idx", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", names=DIGITS),
)


def find(folder: Path, hints: DetectionHints, faults: Faults) -> list[Finding]:
    """Return the test splits in a folder or below it."""
    if not is_wanted("zeroshot", hints):
        return []
    return [found for place in (folder, *folders_below(folder, DEPTH)) for found in _in(folder, place)]


def _in(folder: Path, place: Path) -> Iterator[Finding]:
    for files in KNOWN:
        needed = [files.pixels, files.labels, files.classes]
        if not all((place / name).is_file() for name in needed if name):
            continue
        pixels, labels, classes = (_below(folder, place / name) if name else "" for name in needed)
        source = {"reader": "arrays", "layout": files.layout, "file": pixels}
        source |= {key: value for key, value in (("labels", labels), ("classes", classes)) if value}
        names = _names(place, files)
        notes = [] if classes else [f"class names are {', '.join(names)}: check that this is what the numbers mean"]
        yield Finding(source, "zeroshot", pixels, f"raw pixels in {pixels}", notes, [] if classes else names)


def _names(place: Path, files: Files) -> list[str]:
    """Return the names of the classes; MNIST's file names are also those of Fashion-MNIST."""
    if "fashion" in place.as_posix().lower():
        return list(CLOTHES)
    return read_names(place / files.classes) if files.classes else list(files.names)


def _below(folder: Path, file: Path) -> str:
    return file.relative_to(folder).as_posix()
