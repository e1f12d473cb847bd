"""Folders of images, one per class."""

from __future__ import annotations

from pathlib import Path

from goldieval.core.errors import listing
from goldieval.data.manage.finding import DEPTH, DetectionHints, Faults, Finding, UnfitError, is_wanted
from goldieval.data.manage.places import folders_below
from goldieval.data.walk import is_picture


def find(folder: Path, hints: DetectionHints, faults: Faults) -> list[Finding]:
    """Return the folders that have one folder of images per class; near misses are added to ``faults``."""
    if not is_wanted("zeroshot", hints):
        return []
    looked_at = (folder, *folders_below(folder, DEPTH))
    places = [place for place in looked_at if _holds_classes(place)]
    faults += [] if places else [fault for place in looked_at if (fault := _nearly_classes(place))]
    names = [place.relative_to(folder).as_posix() for place in places]
    return [
        Finding({"reader": "folder", **({"folder_name": name} if name != "." else {})}, "zeroshot", name, description)
        for name in names
        if (description := f"class folders{f' in {name}' if name != '.' else ''}")
    ]


def _holds_classes(place: Path) -> bool:
    """Return whether a folder has at least two subfolders, each containing images directly."""
    folders = folders_below(place, 1)
    return len(folders) > 1 and all(_holds_pictures(each) for each in folders)


def _holds_pictures(folder: Path) -> bool:
    return any(is_picture(file.name) for file in folder.iterdir())


def _nearly_classes(place: Path) -> UnfitError | None:
    """Return why subfolders with images are not class folders: some of them contain no images."""
    folders = folders_below(place, 1)
    without = [each.name for each in folders if not _holds_pictures(each)]
    if not without or len(folders) - len(without) < 2:
        return None
    return UnfitError(
        f"{place}: {len(folders) - len(without):,} folders could be classes, but {listing(without)} hold no images of "
        "their own. Remove these, or write a card with `reader: folder` (`exclude` names folders that are not classes)."
    )
