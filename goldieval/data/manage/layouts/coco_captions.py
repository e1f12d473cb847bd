"""COCO's captions: a JSON file with ``images`` and ``annotations``, and the folder of the images."""

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


def find(folder: Path, hints: DetectionHints, faults: Faults) -> list[Finding]:
    """Return the files of captions whose images are below the folder."""
    found = []
    for file in files_of(folder, [".json"]) if is_wanted("retrieval", hints) else []:
        name = file.relative_to(folder).as_posix()
        content = json_or_none(file, faults) if hints.file in ("", name) else None
        if not isinstance(content, dict) or not _has_captions(content):
            continue
        names = [str(image.get("file_name")) for image in content["images"] if isinstance(image, dict)]
        root = picture_root(folder, names)
        if root is None:
            faults.append(UnfitError(f"{name}: its images (first: {', '.join(names[:1])}) are not below {folder}."))
            continue
        source = {"reader": "coco", "annotations": name, "images": root}
        found.append(Finding(source, "retrieval", name, f"COCO captions in {name}, images in {root}"))
    return found


def _has_captions(content: dict[str, Any]) -> bool:
    parts = content.get("images"), content.get("annotations")
    if not all(isinstance(part, list) and part and isinstance(part[0], dict) for part in parts):
        return False
    has_captions = any(isinstance(each, dict) and "caption" in each for each in content["annotations"])
    return has_captions and any(isinstance(each, dict) and "file_name" in each for each in content["images"])
