"""Annotations in MATLAB files, as torchvision downloads Flowers 102 and Stanford Cars."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.core.limits import MATLAB_BYTES
from goldieval.core.text import shell_argument
from goldieval.data.manage.finding import DEPTH, DetectionHints, Faults, Finding, UnfitError, files_of, is_wanted
from goldieval.data.manage.generic_names import SPLITS, split_of
from goldieval.data.manage.places import folders_below, picture_root
from goldieval.data.matlab import read_variable, variables_in

# Oxford Flowers 102: the variables of setid.mat, in the order of preference, and the splits that they are.
NUMBERED_SPLITS = {"tstid": "test", "valid": "val", "trnid": "train"}


def find(folder: Path, hints: DetectionHints, faults: Faults) -> list[Finding]:
    """Return the splits that MATLAB files describe."""
    files = files_of(folder, [".mat"]) if is_wanted("zeroshot", hints) else []
    held: dict[Path, list[str]] = {}
    for file in files:
        try:
            held[file] = variables_in(file) if file.stat().st_size <= MATLAB_BYTES else []
        except TaskError as error:
            faults.append(error)
    try:
        structures = [each for each in _structures(folder, held) if hints.file in ("", each.place)]
        return [*_of_best_split(structures), *_numbered(folder, held)]
    except (TaskError, UnfitError) as error:
        faults.append(error)
        return []


def _structures(folder: Path, held: dict[Path, list[str]]) -> Iterator[Finding]:
    """Yield files with structures that have a file name and a class: Stanford Cars."""
    named = [file.relative_to(folder).as_posix() for file, names in held.items() if "class_names" in names]
    for file, names in held.items():
        if "annotations" not in names:
            continue
        values = read_variable(file, "annotations")
        if not {"fname", "class"} <= set(values.dtype.names or ()):
            continue  # the test split without labels has no classes
        place = file.relative_to(folder).as_posix()
        root = _root(folder, split_of(file.name), [str(np.squeeze(value["fname"])) for value in values.ravel()])
        if root is None:
            continue  # another split, whose images are not there
        source = {"reader": "matlab", "file": place, "variable": "annotations", "images": root, "image": "fname"}
        source |= {"classes": named[0]} if named else {}
        yield Finding(source, "zeroshot", place, f"annotations in {place}, images in {root}")


def _root(folder: Path, split: str, names: list[str]) -> str | None:
    """Return the folder of a split's images; other splits can have the same names."""
    same_split = [place for place in folders_below(folder, DEPTH) if split and split_of(place.name) == split]
    roots = [(place, picture_root(place, names)) for place in same_split]
    found = next((place / root for place, root in roots if root is not None), None)
    return found.relative_to(folder).as_posix() if found else picture_root(folder, names)


def _of_best_split(found: list[Finding]) -> list[Finding]:
    """Return the finding of the split to evaluate, with a note on the others."""
    ordered = sorted(found, key=lambda each: SPLITS.index(split) if (split := split_of(each.place)) else len(SPLITS))
    others = [f"--file {shell_argument(each.place)}" for each in ordered[1:]]
    notes = [f"other splits: {listing(others)}"] if others else []
    return [replace(each, notes=notes) for each in ordered[:1]]


def _numbered(folder: Path, held: dict[Path, list[str]]) -> Iterator[Finding]:
    """Yield the splits of a vector of labels, by the numbers of their images: Flowers 102."""
    labels = [file for file, names in held.items() if "labels" in names]
    splits = [(file, name) for name in NUMBERED_SPLITS for file, names in held.items() if name in names]
    for file in labels[:1]:
        place = file.relative_to(folder).as_posix()
        numbers = range(1, 1 + read_variable(file, "labels").size)
        root = picture_root(folder, [f"image_{number:05d}.jpg" for number in numbers])
        if root is None:
            raise UnfitError(f"{place}: its images (image_00001.jpg …) are not below {folder}.")
        source = {"reader": "matlab", "file": place, "variable": "labels", "images": root}
        about, notes = f"labels in {place}, images in {root}", []
        if splits:
            chosen, variable = splits[0]
            source |= {"subset": chosen.relative_to(folder).as_posix(), "subset_variable": variable}
            about += f", split {NUMBERED_SPLITS[variable]} ({variable})"
            others = [f"{NUMBERED_SPLITS[name]} ({name})" for _, name in splits[1:]]
            notes = [f"other splits: {', '.join(others)}; `subset_variable` in the source chooses"] if others else []
        count = int(np.max(read_variable(file, "labels")))
        yield Finding(source, "zeroshot", place, about, notes, [f"class {number + 1}" for number in range(count)])
