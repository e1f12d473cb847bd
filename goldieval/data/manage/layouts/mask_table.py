"""A table whose rows name an image and its mask."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from goldieval.core.errors import TaskError
from goldieval.data.manage.columns import Rows, mask_columns
from goldieval.data.manage.finding import (
    TABLES,
    DetectionHints,
    Faults,
    Finding,
    UndecidedError,
    UnfitError,
    files_of,
    is_wanted,
    json_or_none,
)
from goldieval.data.manage.masks_completed import completed
from goldieval.data.table_files import read_table


def find(folder: Path, hints: DetectionHints, faults: Faults) -> list[Finding]:
    """Return the tables with a column of masks."""
    found = []
    for file in files_of(folder, list(TABLES)) if is_wanted("segmentation", hints) else []:
        name = file.relative_to(folder).as_posix()
        if hints.file not in ("", name):
            continue
        if file.suffix.lower() == ".json" and not isinstance(json_or_none(file, []), list):
            continue
        try:
            found += _of_table(folder, name, [row for _, row in read_table(file)], hints)
        except (UndecidedError, UnfitError) as error:
            faults.append(error)
        except TaskError as error:
            faults += [error] if hints.named_family else []
    return found


def _of_table(folder: Path, name: str, rows: Rows, hints: DetectionHints) -> list[Finding]:
    columns = mask_columns(rows, folder, name, {"image": hints.image, "mask": hints.mask})
    if columns is None:
        return []
    folders = {"images": columns.images, "masks": columns.masks}
    source = {
        "reader": "masks",
        "file": name,
        "image": columns.image,
        "mask": columns.mask,
        **{key: value for key, value in folders.items() if value != "."},
    }
    kind = TABLES[Path(name).suffix.lower()]
    description = f"a {kind} table {name}, images in {columns.image!r}, masks in {columns.mask!r}"
    return [Finding(source, "segmentation", name, description, complete=partial(completed, folder))]
