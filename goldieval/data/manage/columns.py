"""Detection of the image, caption and class columns of a table: by content, and by name if several fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from goldieval.data.labels import class_names_in, label_text
from goldieval.data.manage.finding import UndecidedError, UnfitError
from goldieval.data.manage.generic_names import SPLITS
from goldieval.data.manage.places import LOOKED_AT, PicturePlace, picture_place, picture_root, place_without_extension
from goldieval.data.table_files import is_missing
from goldieval.data.walk import PICTURES

# Common names of these columns, used only if several columns fit by content.
USUAL = {
    "image": {"image", "images", "img", "file", "file_name", "filename", "filepath", "image_path", "path", "picture"},
    "caption": {"caption", "captions", "text", "texts", "sentence", "sentences", "raw"},
    "label": {"label", "labels", "class", "class_name", "category", "target"},
    "mask": {"mask", "masks", "label", "labels", "annotation", "annotations", "gt", "seg", "segmentation", "target"},
}
# Names that mean a caption if no column has one of the names above.
LESS_USUAL = {"title", "titles", "alt", "alt_text", "description", "descriptions"}

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class DetectedColumns:
    """Columns of a table.

    Attributes:
        image: Column of the image.
        images: Folder that its paths are relative to.
        caption: Column of the caption, or empty.
        label: Column of the label, or empty.
        prefix: Leading part of the image paths to remove.
        extension: File extension that the image column lacks.
    """

    image: str
    images: str
    caption: str = ""
    label: str = ""
    prefix: str = ""
    extension: str = ""

    def source(self, family: str) -> dict[str, str]:
        """Return the keys of a card's source block."""
        kept = {"image": self.image, "images": self.images if self.images != "." else "", "prefix": self.prefix}
        kept |= {"caption": self.caption} if family == "retrieval" else {"label": self.label}
        kept |= {"picture": f"{{}}{self.extension}" if self.extension else ""}
        return {key: value for key, value in kept.items() if value}


def columns_of(rows: Rows, folder: Path, shown: str, named: dict[str, str], family: str | None) -> DetectedColumns:
    """Find the columns.

    Args:
        rows: Rows of the table.
        folder: Folder of the data.
        shown: Name of the table for error messages.
        named: Columns named by the user, by role (image, caption, label).
        family: Task family, or None if it is to be determined.

    Raises:
        UndecidedError: Two columns fit; names both, and the option that decides.
        UnfitError: There is no image column, or neither captions nor classes.
    """
    names = list(dict.fromkeys(name for row in rows[:LOOKED_AT] for name in row))
    for role, name in named.items():
        if name and name not in names:
            raise UndecidedError(f"{shown} has no column {name!r} for --{role}; it has {', '.join(names)}.")
    pictures = columns_of_pictures(rows)
    roots = {name: place for name in pictures if (place := picture_place(folder, _texts(rows, name))) is not None}
    roots = roots if pictures else _places_of_ids(rows, folder, names)
    if named.get("image") and named["image"] not in roots:
        raise UndecidedError(f"{shown}: the files that {named['image']!r} names are not below {folder}.")
    if pictures and not roots:
        first = str(rows[0].get(pictures[0]))
        raise UnfitError(f"{shown}: the images of column {pictures[0]!r} (first: {first}) are not below {folder}.")
    image = pick_column(shown, "image", list(roots), rows, named)
    if not image:
        raise UnfitError(f"{shown} has no column with names of image files; it has {', '.join(names)}.")
    rest = [name for name in names if name not in pictures and name != image]
    caption = label = ""
    if family in (None, "retrieval"):
        caption = pick_column(shown, "caption", _caption_columns(rows, rest, family), rows, named)
    if family == "zeroshot" or (family is None and not caption):
        label = pick_column(shown, "label", [name for name in rest if _is_label(rows, name)], rows, named)
    if not caption and not label:
        wanted = {"retrieval": "captions", "zeroshot": "classes"}.get(family or "", "captions or classes")
        options = {"retrieval": "--caption", "zeroshot": "--label"}.get(family or "", "--caption or --label")
        raise UnfitError(f"{shown}: no column looks like {wanted}; name one of {', '.join(rest)} with {options}.")
    place = roots[image]
    return DetectedColumns(image, place.images, caption, label, place.prefix, place.extension)


def _caption_columns(rows: Rows, names: list[str], family: str | None) -> list[str]:
    """Return the columns of captions: several words, or any text if only the column's name says that it is one."""
    classes = [name for name in names if name.lower() in USUAL["label"] and _is_label(rows, name)]
    found = [name for name in names if _all(rows, name, _is_text) and (family or name not in classes)]
    by_name = [name for name in names if name.lower() in USUAL["caption"] and _all(rows, name, _is_any_text)]
    return found or ([] if family is None and classes else by_name)


def columns_of_pictures(rows: Rows) -> list[str]:
    """Return the columns that name image files."""
    names = dict.fromkeys(name for row in rows[:LOOKED_AT] for name in row)
    return [name for name in names if _all(rows, name, _is_picture)]


def _places_of_ids(rows: Rows, folder: Path, names: list[str]) -> dict[str, PicturePlace]:
    """Return where the images are, by each column of their names without a file extension."""
    ids = [name for name in names if _all(rows, name, _is_id) and len(set(_texts(rows, name))) == len(rows)]
    found = {name: place_without_extension(folder, _texts(rows, name)) for name in ids}
    places = {name: place for name, place in found.items() if place is not None}
    return {name: place for name, place in places.items() if _most_exist(rows, folder, name, place)}


def _most_exist(rows: Rows, folder: Path, name: str, place: PicturePlace) -> bool:
    """Return whether most rows name a file; the numbers of some column can be names of images by chance."""
    top, some = folder / place.images, _texts(rows, name)[:LOOKED_AT]
    return sum((top / f"{text}{place.extension}").is_file() for text in some) > 0.5 * len(some)


def picture_roots(rows: Rows, folder: Path, columns: list[str]) -> dict[str, str]:
    """Return the folder that the paths of each column are relative to, of the columns whose files exist."""
    roots = {name: picture_root(folder, _texts(rows, name)) for name in columns}
    return {name: root for name, root in roots.items() if root is not None}


def pick_column(shown: str, role: str, candidates: list[str], rows: Rows, named: dict[str, str]) -> str:
    """Return the column of a role, or an empty string if there is none."""
    if named.get(role):
        return named[role]
    distinct = _without_twins(candidates, rows) if role == "label" else candidates
    usual = [name for name in distinct if name.lower() in USUAL[role]]
    if role == "caption" and not usual:
        usual = [name for name in distinct if name.lower() in LESS_USUAL]
    left = usual if len(distinct) > 1 and usual else distinct
    if len(left) > 1:
        raise UndecidedError(f"{shown}: columns {left[0]!r} and {left[1]!r} could both hold the {role}: add --{role}.")
    return left[0] if left else ""


def _without_twins(candidates: list[str], rows: Rows) -> list[str]:
    """Remove columns equivalent to another (name and number of a class), preferring names to numbers."""
    kept: list[str] = []
    for name in sorted(candidates, key=lambda name: isinstance(rows[0].get(name), int) or str(rows[0][name]).isdigit()):
        if not any(_tell_the_same(rows, name, other) for other in kept):
            kept.append(name)
    return kept


def _tell_the_same(rows: Rows, one: str, other: str) -> bool:
    pairs = {(str(row.get(one)), str(row.get(other))) for row in rows}
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def _all(rows: Rows, name: str, fits: Callable[[Any], bool]) -> bool:
    """Return whether nearly all non-missing values fit; missing ones are reported by the reader."""
    some = [row.get(name) for row in rows[:LOOKED_AT]]
    there = [value for value in some if not is_missing(value) and value != []]
    return bool(there) and sum(fits(value) for value in there) > 0.9 * len(there)


def _texts(rows: Rows, name: str) -> list[str]:
    return [str(row[name]) for row in rows if not is_missing(row.get(name))]


def _is_picture(value: Any) -> bool:
    return isinstance(value, str) and PurePosixPath(value).suffix.lower() in PICTURES


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and 0 < len(str(value).split()) < 2


def _is_text(value: Any) -> bool:
    """Return whether a value looks like a caption: several words, unlike most ids and class names."""
    texts = [text for text in value if not is_missing(text)] if isinstance(value, list) else [value]
    return bool(texts) and all(isinstance(text, str) and len(text.split()) >= 3 for text in texts)


def _is_any_text(value: Any) -> bool:
    """Return whether a value is a text with a letter, or a list of such texts."""
    texts = value if isinstance(value, list) else [value]
    return bool(texts) and all(isinstance(text, str) and any(map(str.isalpha, text)) for text in texts)


def _is_label(rows: Rows, name: str) -> bool:
    """Return whether a column looks like class labels: values occur repeatedly."""
    values = [row.get(name) for row in rows if not is_missing(row.get(name))]
    if not all(isinstance(value, str | int | float) and not isinstance(value, bool) for value in values):
        return False
    if all(str(value).lower().rstrip("0123456789") in SPLITS for value in values):
        return False
    return 1 < len({label_text(name, value) for value in values}) < len(values)


def numbered_classes(rows: Rows, column: str) -> list[str]:
    """Return the labels of a column that contains numbers, or nothing if it contains names."""
    labels = {label_text(column, row[column]) for row in rows if not is_missing(row.get(column))}
    return [] if class_names_in(labels) else sorted(labels, key=lambda label: (len(label), label))
