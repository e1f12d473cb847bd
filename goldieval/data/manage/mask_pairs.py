"""Pairs of folders whose files correspond: images in one, masks in the other, by name or by name and suffix."""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from goldieval.data.manage.generic_names import MASK_WORDS, OTHER_ROLES, PICTURE_ROLES, split_of, words_of
from goldieval.data.manage.places import folders_below
from goldieval.data.walk import is_picture

DEPTH = 4  # of the folders that are searched: leftImg8bit/val/frankfurt
MOST_FOLDERS = 20_000
MOST_COMPARED = 50  # folders, if none has the name of a folder of masks without the word for masks
PICTURE_WORDS = PICTURE_ROLES | {"rgb", "input", "inputs"}
# Files beside the labels that show them in colour or number objects; the best labels of several come first.
NOT_LABELS = re.compile(r"colou?r|rgb|instance|vis(?:ual)?|overlay|object|edge|polygon|depth|panoptic", re.IGNORECASE)
BEST_LABELS = ("labelTrainIds", "labelIds")


@dataclass(frozen=True)
class Pair:
    """Two folders with corresponding files.

    Attributes:
        images: Folder of the images, relative to the data's folder.
        masks: Folder of the masks.
        image_suffix: Ending of image names that ``mask_suffix`` replaces; empty for the file extension.
        mask_suffix: Ending of mask names.
    """

    images: str
    masks: str
    image_suffix: str
    mask_suffix: str


def pairs_in(folder: Path) -> list[Pair]:
    """Return the pairs of folders; those of the same split that differ in a subfolder only, such as a city, are one."""
    folders = islice((folder, *folders_below(folder, DEPTH)), MOST_FOLDERS)
    held = {place.relative_to(folder).as_posix(): names for place in folders if (names := _pictures(place))}
    found: dict[Pair, None] = {}
    for masks, images in _candidates(held):
        suffixes = _suffixes(held[images], held[masks], same=images == masks)
        if suffixes and (_says_mask(masks) or MASK_WORDS & set(words_of(suffixes[1]))):
            found[Pair(*_tops(images, masks), *suffixes)] = None
    return list(found)


def unpaired_in(folder: Path) -> tuple[str, str] | None:
    """Return a file of a folder of images and one of a folder of masks whose names do not correspond, or None."""
    folders = islice((folder, *folders_below(folder, DEPTH)), MOST_FOLDERS)
    held = {place.relative_to(folder).as_posix(): names for place in folders if (names := _pictures(place))}
    for masks, images in _candidates(held):
        if images != masks:
            return f"{images}/{held[images][0]}", f"{masks}/{held[masks][0]}"
    return None


def stems_in(folder: Path, pair: Pair) -> set[str]:
    """Return the names, without their suffixes, of the images that have a mask."""
    ending = pair.image_suffix
    images, masks = (set(_pictures(folder / name)) for name in (pair.images, pair.masks))
    stems = (name.removesuffix(ending) if ending else PurePosixPath(name).stem for name in images)
    return {stem for stem in stems if f"{stem}{pair.mask_suffix}" in masks}


def _pictures(place: Path) -> list[str]:
    with os.scandir(place) as entries:
        return sorted(entry.name for entry in entries if is_picture(entry.name))


def _candidates(held: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """Yield folders of masks with the folders that could hold their images, which may be the same folder."""
    images_by_key: dict[tuple[str, ...], list[str]] = {}
    for place in held:
        if not _says_mask(place):
            images_by_key.setdefault(_key(place), []).append(place)
    for place in held:
        yield place, place
        if _says_mask(place):
            yield from ((place, images) for images in images_by_key.get(_key(place)) or _of_split(place, images_by_key))


def _of_split(masks: str, images_by_key: dict[tuple[str, ...], list[str]]) -> list[str]:
    """Return the folders of images of the split of a folder of masks, unless there are very many."""
    places = [place for several in images_by_key.values() for place in several]
    return [place for place in places if split_of(place) == split_of(masks)] if len(places) <= MOST_COMPARED else []


def _says_mask(place: str) -> bool:
    return any(MASK_WORDS & set(words_of(part)) for part in PurePosixPath(place).parts)


def _key(place: str) -> tuple[str, ...]:
    """Return the parts of a path without the words that say whether it holds images or masks.

    >>> _key("annotations/val2017"), _key("trainannot"), _key("leftImg8bit/val")
    (('val2017',), ('train',), ('val',))
    """
    parts = [_without_roles(part) for part in PurePosixPath(place).parts]
    return tuple(part for part in parts if part)


def _without_roles(part: str) -> str:
    plain = part.lower().replace("leftimg8bit", "images")
    words = [word for word in re.findall("[a-z]+|[0-9]+", plain) if word not in PICTURE_WORDS | _ROLES]
    return "".join(word for joined in words for word in (words_of(joined) or [joined]) if word not in _ROLES)


_ROLES = MASK_WORDS | OTHER_ROLES | {"dir"}


def _tops(images: str, masks: str) -> tuple[str, str]:
    """Return the folders above that differ, or that a split is named after: those of all cities of Cityscapes."""
    first, second = PurePosixPath(images), PurePosixPath(masks)
    while first != second and first.name == second.name and first.name and not split_of(first.name):
        first, second = first.parent, second.parent
    return first.as_posix(), second.as_posix()


def _suffixes(images: Sequence[str], masks: Sequence[str], same: bool) -> tuple[str, str] | None:
    """Return the endings by which the names of images and masks differ, or None if they do not correspond."""
    if same:
        masks = [name for name in masks if MASK_WORDS & set(words_of(PurePosixPath(name).stem)[-1:])]
        images = [name for name in images if name not in set(masks)]
    if not images or not masks:
        return None
    ending = Counter(PurePosixPath(name).suffix for name in images).most_common(1)[0][0]
    for common in dict.fromkeys(("", _common_suffix([PurePosixPath(name).stem for name in images]))):
        bases = [PurePosixPath(name).stem.removesuffix(common) for name in images]
        if rest := _mask_suffix(bases, masks):
            return f"{common}{ending}" if common else "", rest
    return None


def _common_suffix(stems: Sequence[str]) -> str:
    """Return the ending that all names share, from its first separator on.

    >>> _common_suffix(["a_1_leftImg8bit", "b_2_leftImg8bit"]), _common_suffix(["a", "ba"])
    ('_leftImg8bit', '')
    """
    first, *_, last = sorted(stem[::-1] for stem in [*stems, stems[0]])
    same = next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    shared = first[:same][::-1] if len(stems) > 1 else ""
    place = re.search("[_-]", shared)
    return shared[place.start() :] if place else ""


def _mask_suffix(bases: Sequence[str], masks: Sequence[str]) -> str:
    """Return the ending of the masks that most images have, or an empty string."""
    names, endings = sorted(masks), Counter[str]()
    for base in bases:
        place = bisect_left(names, base)
        while place < len(names) and names[place].startswith(base):
            endings[names[place].removeprefix(base)] += 1
            place += 1
    possible = {
        rest: count
        for rest, count in endings.items()
        if rest[0] in "._-" and not NOT_LABELS.search(rest) and 2 * count >= min(len(bases), len(names))
    }
    return max(possible, key=lambda rest: (_rank(rest), possible[rest], -len(rest)), default="")


def _rank(ending: str) -> int:
    return max((len(BEST_LABELS) - place for place, best in enumerate(BEST_LABELS) if best in ending), default=0)
