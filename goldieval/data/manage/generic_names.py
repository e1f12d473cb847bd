"""Names of folders that say nothing about the data in them: splits, and roles such as ``images``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeVar

T = TypeVar("T")

# Splits in the order in which one of several is taken.
SPLITS = ("test", "testing", "eval", "val", "valid", "validation", "dev", "train", "training", "trainval")
PICTURE_ROLES = frozenset(
    {"image", "images", "img", "imgs", "pic", "pics", "picture", "pictures", "photo", "photos", "jpg", "jpgs", "jpeg"}
    | {"jpegs", "jpegimages", "png", "pngs", "frames"}
)
OTHER_ROLES = frozenset(
    {"mask", "masks", "label", "labels", "annotation", "annotations", "ann", "anns", "annot", "gt", "gtfine"}
    | {"groundtruth", "seg", "segmentation", "segmentations", "segmentationclass", "split", "splits", "list", "lists"}
    | {"meta", "metadata"}
)
NO_NAMES = frozenset(
    {"data", "dataset", "datasets", "download", "downloads", "file", "files", "folder", "dir", "root", "raw", "all"}
    | {"full", "tmp"}
)
MASK_WORDS = frozenset(
    {
        "mask",
        "masks",
        "label",
        "labels",
        "annotation",
        "annotations",
        "ann",
        "anns",
        "annot",
        "gt",
        "gtfine",
        "gtcoarse",
    }
    | {"groundtruth", "seg", "segmentation", "segmentations", "segmentationclass", "segmap", "segmaps", "labelids"}
    | {"segmentationclasspng", "segmentationclassaug", "segmentationclassraw", "labelmap", "labelmaps", "groundtruths"}
    | {"labeltrainids", "semseg", "semantic", "semantics", "lbl", "target", "targets", "stuffthingmaps"}
)
_JOINED = re.compile(f"^({'|'.join(SPLITS)})({'|'.join(sorted(MASK_WORDS))})$")  # testannot
_GENERIC = PICTURE_ROLES | OTHER_ROLES | NO_NAMES | frozenset(SPLITS)


def words_of(name: str) -> list[str]:
    """Return the words of a file or folder name in lower case, without digits.

    >>> words_of("images_val2017"), words_of("2750"), words_of("testannot")
    (['images', 'val'], [], ['test', 'annot'])
    """
    joined = _JOINED.sub(r"\1_\2", name.lower())
    return [word for word in re.split("[^a-z]+", joined) if word]


def is_generic(name: str) -> bool:
    """Return whether a folder's name does not tell what the data are.

    >>> [is_generic(name) for name in ("images", "test_split", "2750", "food-101", "train")]
    [True, True, True, False, True]
    """
    return all(word in _GENERIC for word in words_of(name))


def is_role(name: str) -> bool:
    """Return whether a folder's name is that of images, masks or lists, and never that of a class."""
    words = words_of(name)
    return bool(words) and all(word in PICTURE_ROLES | OTHER_ROLES for word in words)


def split_of(place: str) -> str:
    """Return the split that a path names, or an empty string.

    >>> split_of("annotations/captions_val2017.json"), split_of("images")
    ('val', '')
    """
    words = [word for part in PurePosixPath(place).parts for word in words_of(part)]
    return next((word for word in reversed(words) if word in SPLITS), "")


def without_split(place: str) -> tuple[str, ...]:
    """Return the words of a path without those that name a split: equal for the splits of one data set."""
    return tuple(word for part in PurePosixPath(place).parts for word in words_of(part) if word not in SPLITS)


def preferred_split(items: Sequence[T], place: Callable[[T], str]) -> T | None:
    """Return the item of the split to evaluate, or None if the items are not the splits of one data set.

    Args:
        items: Files or folders.
        place: Returns the path of one.
    """
    splits = [split_of(place(item)) for item in items]
    if not all(splits) or len(set(splits)) < len(splits) or len({without_split(place(item)) for item in items}) > 1:
        return None
    return min(items, key=lambda item: SPLITS.index(split_of(place(item))))


def telling_name(folder: Path, place: str) -> str:
    """Return the name of a data set: of its folder, or of the nearest one above or below it that is not generic.

    Args:
        folder: Folder of the data, absolute.
        place: File or folder below it that determines the layout.
    """
    if not is_generic(folder.name):
        return folder.name
    below = [part for part in PurePosixPath(place).parts if not is_generic(PurePosixPath(part).stem)]
    if below and not PurePosixPath(below[0]).suffix:
        return below[0]
    above = (each for each in folder.parents if each.name and each != Path.home())
    return next((each.name for each in above if not is_generic(each.name)), "")
