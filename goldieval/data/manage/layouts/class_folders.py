"""Folders of images, one per class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

from goldieval.core.errors import listing
from goldieval.data.manage.finding import DEPTH, DetectionHints, Faults, Finding, UnfitError, is_wanted
from goldieval.data.manage.folder_names import names_beside
from goldieval.data.manage.generic_names import MASK_WORDS, PICTURE_ROLES, SPLITS, is_role, words_of
from goldieval.data.manage.places import folders_below, folders_in
from goldieval.data.manage.wordnet import WNID, names_of_synsets
from goldieval.data.walk import is_picture

DISTRACTORS = ("BACKGROUND_Google",)  # Caltech-101's folder of other images, which no protocol counts as a class
DEEPEST, MOST_FOLDERS = 4, 1000  # of the folders in which an image is sought
_NO_CLASSES = PICTURE_ROLES | MASK_WORDS | frozenset(SPLITS)


@dataclass(frozen=True)
class Folders:
    """The folders in a folder.

    Attributes:
        classes: Those that contain images.
        excluded: Those that are not classes by their names: roles, splits, distractors.
        empty: Those whose images are in folders of their own.
        imageless: Those without any image.
    """

    classes: list[str]
    excluded: list[str]
    empty: list[str]
    imageless: list[str]


def find(folder: Path, hints: DetectionHints, faults: Faults) -> list[Finding]:
    """Return the folders that have one folder of images per class; near misses are added to ``faults``."""
    if not is_wanted("zeroshot", hints):
        return []
    places = [place for place in (folder, *folders_below(folder, DEPTH)) if not _holds_masks(folder, place)]
    seen = {place.relative_to(folder).as_posix(): _folders(place) for place in places}
    found = [_finding(folder, name, held) for name, held in seen.items() if len(held.classes) > 1 and not held.empty]
    found += [_nested(name) for name, held in seen.items() if _is_alphabet(folder / name, held)]
    nearly = {name: held for name, held in seen.items() if len(held.classes) > 1 and held.empty}
    faults += [] if found else [_incomplete(folder / name, held) for name, held in nearly.items()]
    faults += [] if found or nearly else [_single(folder / name, held) for name, held in seen.items() if _is_one(held)]
    return found


def _holds_masks(folder: Path, place: Path) -> bool:
    return any(MASK_WORDS & set(words_of(part)) for part in place.relative_to(folder).parts)


def _is_alphabet(place: Path, held: Folders) -> bool:
    """Return whether the folders in a folder are initials, as in SUN397: ``a/abbey``, ``a/apartment/outdoor``."""
    names = [*held.classes, *held.empty]
    initials = len(names) > 1 and all(len(name) == 1 and name.isalpha() for name in names)
    return initials and any(_holds_pictures(each) for name in names for each in folders_in(place / name))


def _nested(name: str) -> Finding:
    source: dict[str, object] = {"reader": "folder", "nested": True}
    source |= {"folder_name": name} if name != "." else {}
    return Finding(source, "zeroshot", name, "class folders below folders of their initials")


def _finding(folder: Path, name: str, held: Folders) -> Finding:
    source: dict[str, object] = {"reader": "folder"}
    source |= {"folder_name": name} if name != "." else {}
    without = [*held.excluded, *held.imageless]
    source |= {"exclude": without} if without else {}
    notes = [f"left out: {listing(held.excluded, 6)} (not classes by their names)"] if held.excluded else []
    notes += [f"left out: {listing(held.imageless, 6)} (no images in them)"] if held.imageless else []
    if split := [each for each in held.classes if each.lower() in SPLITS]:
        notes.append(f"the folder {split[0]} is taken as a class; `exclude: [{split[0]}]` in the source leaves it out")
    about = f"class folders{f' in {name}' if name != '.' else ''}"
    return Finding(source, "zeroshot", name, about, notes, complete=partial(_named, folder, held.classes))


def _named(folder: Path, classes: list[str], found: Finding) -> Finding:
    """Return a finding with the names that a file beside the folders gives them, if they are ids or numbers."""
    if not all(WNID.fullmatch(name) or name.isdecimal() for name in classes):
        return found
    if all(WNID.fullmatch(name) for name in classes) and len(names_of_synsets(classes)) == len(classes):
        return found
    named = names_beside(folder, sorted(classes))
    if named is None:
        return found
    return replace(found, classes=named[0], notes=[*found.notes, f"names of the classes from {named[1]}"])


def _folders(place: Path) -> Folders:
    """Sort the folders in a folder. A single folder ``train`` among others is the class of that name."""
    below = [each.name for each in folders_in(place)]
    splits = [name for name in below if words_of(name) and all(word in _NO_CLASSES for word in words_of(name))]
    kept = splits if [name.lower() for name in splits] == ["train"] and len(below) > 2 else []
    excluded = [name for name in below if is_role(name) or name in DISTRACTORS or (name in splits and name not in kept)]
    left = {name: _holds_pictures(place / name) for name in below if name not in excluded}
    without = [name for name in left if not left[name]]
    imageless = [name for name in without if not _holds_images_below(place / name)]
    deeper = [name for name in without if name not in imageless]
    return Folders([name for name in left if left[name]], excluded, deeper, imageless)


def _holds_images_below(folder: Path) -> bool:
    """Return whether there is an image in the folders below a folder."""
    places = islice(folders_below(folder, DEEPEST), MOST_FOLDERS)
    return any(is_picture(entry.name) for place in places for entry in place.iterdir())


def _holds_pictures(folder: Path) -> bool:
    """Return whether a folder contains images, or has a folder with a name such as ``images`` that does."""
    if any(is_picture(entry.name) for entry in folder.iterdir()):
        return True
    return any(is_role(each.name) and _holds_pictures(each) for each in folders_in(folder))


def _incomplete(place: Path, held: Folders) -> UnfitError:
    """Return why subfolders with images are not class folders: some of them contain no images."""
    hold = "holds" if len(held.empty) == 1 else "hold"
    return UnfitError(
        f"{place}: {len(held.classes):,} folders could be classes, but {listing(held.empty)} {hold} images only in "
        "other folders. Move these, or write a card with `reader: folder` (`exclude` names what is not a class)."
    )


def _is_one(held: Folders) -> bool:
    return len(held.classes) == 1 and not held.empty


def _single(place: Path, held: Folders) -> UnfitError:
    return UnfitError(
        f"{place}: {held.classes[0]} is the only folder of images, and with one class every answer is right. Add the "
        "folders of other classes, or a table of captions or labels."
    )
