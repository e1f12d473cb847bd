"""The result CSVs in open_clip's documentation: 38 sets, retrieval, and retrieval in many languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from goldieval.report.importing.number import Fields, ImportedNumber, all_names, finite, model_name

AVERAGE = "avg"


def from_row(file: Path, row: Fields) -> Iterator[ImportedNumber]:
    """Yield the numbers of one checkpoint on DataComp's sets, or of its retrieval."""
    mapping = all_names()["open_clip"]
    for theirs, cell in row.items():
        if theirs in mapping["columns"]:
            if (value := finite(file, theirs, cell)) is not None:
                task, metric = mapping["columns"][theirs]
                yield ImportedNumber(model_name(row["name"], row["pretrained"]), task, metric, value)
        elif theirs not in mapping["about"]:
            yield ImportedNumber(unknown=f"column {theirs}")


def from_languages(file: Path, row: Fields) -> Iterator[ImportedNumber]:
    """Yield the numbers of one checkpoint in every language, and their mean; columns are DATA-SET METRIC LANGUAGE."""
    mapping = all_names()["open_clip_languages"]
    for theirs, cell in row.items():
        if theirs in mapping["about"] or (value := finite(file, theirs, cell)) is None:
            continue
        dataset, _, rest = theirs.partition(" ")
        metric, _, language = rest.partition(" ")
        if dataset not in mapping["tasks"] or metric not in mapping["metrics"] or not language.isalpha():
            yield ImportedNumber(unknown=f"column {theirs}")
            continue
        name = mapping["metrics"][metric] + ("" if language == AVERAGE else f"_{language}")
        protocol = "mean of languages, open_clip" if language == AVERAGE else "one language, open_clip"
        model = model_name(row["model"], row["version"])
        yield ImportedNumber(model, mapping["tasks"][dataset], name, value, protocol=protocol)
