"""Parquet files with images, as the ``datasets`` library writes them: one group for each folder and split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goldieval.core.errors import TaskError, listing
from goldieval.data.file_patterns import matching_files
from goldieval.data.labels import class_names_in, label_text
from goldieval.data.manage.features import FileFeatures, features_of
from goldieval.data.manage.finding import DetectionHints, Faults, Finding, UndecidedError, UnfitError
from goldieval.data.manage.parquet_groups import groups_of
from goldieval.data.manage.places import picture_root
from goldieval.data.manage.row_columns import caption_column, label_column, picture_columns, values_of
from goldieval.data.manage.row_splits import split_filter

CLASS_NAMES = "classes.txt"


def find(folder: Path, hints: DetectionHints, faults: Faults) -> list[Finding]:
    """Return one finding for each group of files with images; other files are added to ``faults``."""
    found = []
    for place, files in _asked_for(folder, hints.file).items():
        try:
            features = features_of(folder, folder / files[0])
            found.append(_finding(folder, place, files, features, hints))
        except (TaskError, UnfitError, UndecidedError) as error:
            faults.append(error)
    return found


def _asked_for(folder: Path, file: str) -> dict[str, list[str]]:
    """Return the groups that ``--file`` allows: all, the one with that name, or the files that match it."""
    groups = groups_of(folder)
    if not file:
        return groups
    if file in groups or not file.lower().endswith(".parquet"):
        return {file: groups[file]} if file in groups else {}
    matching = matching_files(folder, file, "--file")
    return {file: matching} if matching else {}


@dataclass
class _Columns:
    """Columns of a group.

    Attributes:
        source: Keys of the source block.
        notes: Notes for the user.
        classes: Class names, if the data declare them elsewhere.
        about: Description of the images and what comes with them.
    """

    source: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    about: str = ""


def _finding(folder: Path, place: str, files: list[str], features: FileFeatures, hints: DetectionHints) -> Finding:
    """Return how the files of a group are read. Raises UnfitError or UndecidedError if that is not clear."""
    shown, rows = files[0], features.rows
    image, images = _image(folder, shown, features, hints)
    columns = _Columns({"reader": "parquet", "files": place, "image": image} | ({"images": images} if images else {}))
    where, notes = split_filter({name: counts for name, counts in features.splits.items() if name != image})
    columns.source |= {"where": where} if where else {}
    columns.notes += notes
    besides = [image, *features.images, *columns.source.get("where", {})]
    family = hints.named_family
    caption = caption_column(shown, rows, hints.caption, [*besides, *features.classes]) if family != "zeroshot" else ""
    if family == "retrieval" and not caption:
        raise UnfitError(
            f"{shown}: no column looks like captions; name one of {_rest(features, besides)} with --caption."
        )
    if caption:
        columns.source["caption"] = caption
        return _of(columns, "retrieval", place, files, f"captions in {caption!r}")
    if family not in (None, "zeroshot"):
        raise UnfitError(f"{shown} holds images, but no {family} data are read from Parquet files.")
    _choose_label(columns, folder, shown, features, hints, besides)
    return _of(columns, "zeroshot", place, files, f"classes in {columns.source['label']!r}")


def _of(columns: _Columns, family: str, place: str, files: list[str], about: str) -> Finding:
    many = f"{len(files):,} Parquet files {place}" if len(files) > 1 else f"the Parquet file {place}"
    description = f"{many}, images in {columns.source['image']!r}, {about}"
    return Finding(columns.source, family, place, description, columns.notes, columns.classes)


def _image(folder: Path, shown: str, features: FileFeatures, hints: DetectionHints) -> tuple[str, str]:
    """Return the column of the images and, if it names files, their folder."""
    named = picture_columns(features.rows)
    fitting = [*features.images, *named]
    if hints.image and hints.image not in fitting:
        raise UndecidedError(f"{shown}: column {hints.image!r} holds no images; it has {', '.join(features.names)}.")
    chosen = [hints.image] if hints.image else features.images or named
    if not chosen:
        lists = f"; lists of images, as in {features.lists[0]}, are not read" if features.lists else ""
        raise UnfitError(f"{shown} has no column of images; it has {', '.join(features.names)}{lists}.")
    if len(chosen) > 1:
        raise UndecidedError(f"{shown}: {chosen[0]!r} and {chosen[1]!r} could both hold the image: add --image.")
    if chosen[0] in features.images:
        return chosen[0], ""
    files = [str(value) for value in values_of(features.rows, chosen[0])]
    root = picture_root(folder, files)
    if root is None:
        raise UnfitError(f"{shown}: the images of column {chosen[0]!r} (first: {files[0]}) are not below {folder}.")
    return chosen[0], root


def _choose_label(
    columns: _Columns, folder: Path, shown: str, features: FileFeatures, hints: DetectionHints, besides: Sequence[str]
) -> None:
    """Choose the label column and its class names. Raises UnfitError or UndecidedError if that is not clear."""
    declared = [name for name in features.classes if name not in besides]
    if hints.label or len(declared) != 1:
        label = label_column(shown, features.rows, hints.label, besides)
    else:
        label = declared[0]
    if not label:
        rest = _rest(features, besides)
        raise UnfitError(
            f"{shown}: no column looks like captions or classes; name one of {rest} with --caption or --label."
        )
    columns.source["label"] = label
    columns.classes = features.classes.get(label, [])
    if columns.classes:
        return
    labels = {label_text(shown, value) for value in values_of(features.rows, label)}
    if class_names_in(labels) is None and not (folder / CLASS_NAMES).is_file():
        numbers = sorted(labels, key=lambda text: (len(text), text))
        raise UndecidedError(
            f"{shown}: column {label!r} holds class numbers ({listing(numbers, 5)}), but prompts require names. Write "
            f"them into {folder / CLASS_NAMES}, one per line, from class 0 on, and run the same command again."
        )
    if class_names_in(labels) is None:
        columns.source["classes"] = CLASS_NAMES


def _rest(features: FileFeatures, besides: Sequence[str]) -> str:
    return ", ".join(name for name in features.names if name not in besides)
