"""COCO's masks: panoptic JSON with a folder of PNGs, or outlines of things and stuff."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from goldieval.data.manage.finding import (
    DetectionHints,
    Faults,
    Finding,
    UnfitError,
    files_of,
    is_wanted,
    json_or_none,
)
from goldieval.data.manage.places import picture_root

Entries = list[dict[str, Any]]


def find(folder: Path, hints: DetectionHints, faults: Faults) -> list[Finding]:
    """Return the files of outlines and of panoptic segments whose images are below the folder."""
    found = []
    for file in files_of(folder, [".json"]) if is_wanted("segmentation", hints) else []:
        name = file.relative_to(folder).as_posix()
        content = json_or_none(file, []) if hints.file in ("", name) else None
        if not isinstance(content, dict) or not _entries(content, "categories"):
            continue
        try:
            found += _of_file(folder, name, content)
        except UnfitError as error:
            faults.append(error)
    return found


def _of_file(folder: Path, name: str, content: dict[str, Any]) -> list[Finding]:
    annotations, images = _entries(content, "annotations"), _entries(content, "images")
    panoptic = any(isinstance(each.get("segments_info"), list) for each in annotations)
    outlined = [each for each in annotations if isinstance(each.get("segmentation"), list | dict)]
    if images and not (panoptic or outlined) and any("bbox" in each for each in annotations):
        raise UnfitError(f"{name} has boxes, but neither captions nor outlines ('segmentation') for masks.")
    if not images or not (panoptic or outlined):
        return []
    root = _root(folder, name, images, "images")
    source = {"reader": "coco-masks", "annotations": name, "images": root}
    if panoptic:
        masks = _root(folder, name, annotations, "masks")
        about = f"COCO panoptic masks of {name} in {masks}, images in {root}"
        return [Finding(source | {"masks": masks}, "segmentation", name, about, ["pixels of no segment are ignored"])]
    if len(outlined) < len(annotations):
        lacking = len(annotations) - len(outlined)
        raise UnfitError(f"{name}: {lacking:,} of {len(annotations):,} annotations have no outline ('segmentation').")
    return [_of_outlines(name, root, source, content)]


def _of_outlines(name: str, root: str, source: dict[str, Any], content: dict[str, Any]) -> Finding:
    """Return outlines as masks; with a single category, what is outside them is the background."""
    notes = ["objects may overlap: the smaller one is on top"]
    if len(_entries(content, "categories")) == 1:
        source = source | {"others": "background"}
        notes.append("there is one category, so pixels outside its outlines are the class 'background'")
    else:
        notes.append(
            "pixels outside the outlines are ignored; `others: background` in the card's source makes them a class"
        )
    outlined = {str(each.get("image_id")) for each in _entries(content, "annotations")}
    images = _entries(content, "images")
    without = sum(str(image.get("id")) not in outlined for image in images)
    notes += [f"{without:,} of {len(images):,} images have no outline"] if without else []
    return Finding(source, "segmentation", name, f"COCO outlines of {name}, images in {root}", notes)


def _root(folder: Path, name: str, entries: Entries, what: str) -> str:
    names = [str(entry["file_name"]) for entry in entries if "file_name" in entry]
    root = picture_root(folder, names)
    if root is None:
        raise UnfitError(f"{name}: its {what} (first: {', '.join(names[:1])}) are not below {folder}.")
    return root


def _entries(content: dict[str, Any], key: str) -> Entries:
    found = content.get(key)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
