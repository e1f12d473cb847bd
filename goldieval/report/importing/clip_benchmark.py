"""clip-benchmark: one JSON file per run, and the table that its ``build`` writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from goldieval.report.importing.number import Fields, ImportedNumber, all_names, finite, model_name


def from_json(file: Path, content: Fields) -> Iterator[ImportedNumber]:
    """Yield the numbers of one run."""
    yield from from_row(file, {**content, "metrics": "", **content["metrics"]})


def from_row(file: Path, row: Fields) -> Iterator[ImportedNumber]:
    """Yield the numbers of one row of the table."""
    model = model_name(row["model"], row.get("pretrained", ""))
    task, metrics = _names_of(str(row["dataset"]))
    for theirs, cell in row.items():
        if theirs in all_names()["clip_benchmark"]["about"] or (value := finite(file, theirs, cell)) is None:
            continue
        if not task or theirs not in metrics:
            what = f"metric {theirs} of {row['dataset']}" if task else f"data set {row['dataset']}"
            yield ImportedNumber(unknown=what)
        else:
            yield ImportedNumber(model, task, metrics[theirs], value)


def _names_of(dataset: str) -> tuple[str, dict[str, str]]:
    """Return the task of one of their data sets, empty where there is none, and the names of its metrics."""
    names = all_names()["clip_benchmark"]
    plain = dataset.removeprefix("wds/").removeprefix("vtab/")
    whole, _, split = plain.partition("/")
    if split and whole in names["splits"]:
        task, theirs, ours = names["splits"][whole]
        return task, {theirs: f"{ours}_{split}"}
    task = "" if plain in names["only"] and "vtab/" not in dataset else names["tasks"].get(plain.replace("/", "_"), "")
    return task, names["metrics_of"].get(plain, names["metrics"])
