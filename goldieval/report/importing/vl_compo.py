"""vl_compo's CSV: one checkpoint per row, a column ``SET::PART`` for each part of a set, in percent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from goldieval.report.importing.number import Fields, ImportedNumber, all_names, finite, model_name

USUAL_FAMILY = "OpenCLIP"
PROTOCOL = "as run by vl_compo"


def from_row(file: Path, row: Fields) -> Iterator[ImportedNumber]:
    """Yield the numbers of one checkpoint; where families share a name, the family is part of it."""
    mapping = all_names()["vl_compo"]
    family = "" if row["family"] == USUAL_FAMILY else f" ({row['family']})"
    model = model_name(row["arch"], row["pretrained"]) + family
    for theirs, cell in row.items():
        if theirs in mapping["about"] or (value := finite(file, theirs, cell)) is None:
            continue
        if theirs not in mapping["columns"]:
            yield ImportedNumber(unknown=f"column {theirs}")
            continue
        task, metric, *protocol = mapping["columns"][theirs]
        yield ImportedNumber(model, task, metric, value / 100, protocol=protocol[0] if protocol else PROTOCOL)
