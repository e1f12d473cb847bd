"""Results of other harnesses for tables, marked as imported and without intervals.

Formats are clip-benchmark's JSON and CSV, the result CSVs in open_clip's documentation, and lmms-eval's JSON. The file
names.yaml maps their names to ours. Numbers whose name is not in it are left out and reported.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError, listing
from goldieval.core.limits import RECORD_BYTES
from goldieval.core.reading import parse_json, read_text
from goldieval.core.yaml_files import read_yaml
from goldieval.metrics.registry import metric_of
from goldieval.report.score import Score

Fields = dict[str, Any]


@dataclass
class Imported:
    """Imported results.

    Attributes:
        scores: the numbers.
        faults: one line for each file or name that was left out.
    """

    scores: list[Score] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@cache
def _names() -> dict[str, dict[str, Any]]:
    return read_yaml(Path(__file__).with_name("names.yaml"))


def read_imports(places: Iterable[Path]) -> Imported:
    """Read files, and every .json and .csv below folders.

    Raises:
        GoldievalError: a place does not exist, or a file has none of the formats.
    """
    imported = Imported()
    for place in places:
        if not place.exists():
            raise GoldievalError(f"--import {place}: no such file or folder.")
        is_folder = place.is_dir()
        for file in sorted([*place.rglob("*.json"), *place.rglob("*.csv")]) if is_folder else [place]:
            try:
                _add(file, imported)
            except GoldievalError as error:
                if not is_folder:
                    raise
                imported.faults.append(str(error))
    return imported


def _add(file: Path, imported: Imported) -> None:
    skipped: list[str] = []
    for number in _numbers(file):
        if number.unknown:
            skipped.append(number.unknown)
            continue
        unit = metric_of(number.metric).unit.name
        note = f"imported from {file.name}" + (f"; {number.note}" if number.note else "")
        imported.scores.append(
            Score(number.model, "imported", number.task, number.metric, number.value, unit, note=note, source=str(file),
                  file=file)
        )  # fmt: skip
    if skipped:
        unique = list(dict.fromkeys(skipped))
        imported.faults.append(f"{file}: {len(skipped):,} numbers left out, with unknown names: {listing(unique)}")


@dataclass(frozen=True)
class ImportedNumber:
    """One number under our names.

    Attributes:
        model: name of the model.
        task: our name of the task.
        metric: our name of the metric.
        value: a fraction, or a score in its own unit.
        note: what a reader of the table must know.
        unknown: the part of its name that is not in names.yaml; else empty.
    """

    model: str = ""
    task: str = ""
    metric: str = ""
    value: float = 0.0
    note: str = ""
    unknown: str = ""


def _numbers(file: Path) -> Iterator[ImportedNumber]:
    try:
        text = read_text(file, RECORD_BYTES)
        if file.suffix == ".json":
            yield from _json(file, parse_json(text))
        else:
            yield from _csv(file, list(csv.DictReader(text.splitlines())))
    except (OSError, ValueError, csv.Error) as error:
        raise GoldievalError(f"cannot read {file}: {error}") from error


def _json(file: Path, content: Any) -> Iterator[ImportedNumber]:
    if isinstance(content, dict) and isinstance(content.get("metrics"), dict) and "dataset" in content:
        yield from _clip_benchmark(file, {**content, "metrics": "", **content["metrics"]})
    elif isinstance(content, dict) and isinstance(content.get("results"), dict):
        yield from _lmms_eval(file, content)
    else:
        raise _unknown(file)


def _csv(file: Path, rows: list[Fields]) -> Iterator[ImportedNumber]:
    columns = set(rows[0]) if rows else set()
    if {"dataset", "model", "pretrained"} <= columns:
        for row in rows:
            yield from _clip_benchmark(file, row)
    elif {"name", "pretrained"} <= columns:
        for row in rows:
            yield from _open_clip(file, row)
    else:
        raise _unknown(file)


def _unknown(file: Path) -> GoldievalError:
    return GoldievalError(
        f"{file} is not a supported result file: use clip-benchmark's JSON or CSV, open_clip's CSV or lmms-eval's JSON."
    )


def _clip_benchmark(file: Path, row: Fields) -> Iterator[ImportedNumber]:
    model = _model(row["model"], row.get("pretrained", ""))
    task, metrics = _clip_benchmark_names(str(row["dataset"]))
    for theirs, cell in row.items():
        if theirs in _names()["clip_benchmark"]["about"] or (value := _finite(file, theirs, cell)) is None:
            continue
        unknown = "" if task else f"data set {row['dataset']}"
        unknown = unknown if not task or theirs in metrics else f"metric {theirs} of {row['dataset']}"
        yield ImportedNumber(model, task, metrics.get(theirs, ""), value, unknown=unknown)


def _clip_benchmark_names(dataset: str) -> tuple[str, dict[str, str]]:
    """Return the task of one of their data sets, empty where there is none, and the names of its metrics."""
    names = _names()["clip_benchmark"]
    plain = dataset.removeprefix("wds/").removeprefix("vtab/")
    whole, _, split = plain.partition("/")
    if split and whole in names["splits"]:
        task, theirs, ours = names["splits"][whole]
        return task, {theirs: f"{ours}_{split}"}
    task = "" if plain in names["only"] and "vtab/" not in dataset else names["tasks"].get(plain.replace("/", "_"), "")
    return task, names["metrics_of"].get(plain, names["metrics"])


def _open_clip(file: Path, row: Fields) -> Iterator[ImportedNumber]:
    mapping = _names()["open_clip"]
    for theirs, cell in row.items():
        if theirs in mapping["columns"]:
            if (value := _finite(file, theirs, cell)) is not None:
                place = mapping["columns"][theirs]
                yield ImportedNumber(_model(row["name"], row["pretrained"]), place[0], place[1], value)
        elif theirs not in mapping["about"]:
            yield ImportedNumber(unknown=f"column {theirs}")


def _lmms_eval(file: Path, content: Fields) -> Iterator[ImportedNumber]:
    mapping, config = _names()["lmms_eval"], content.get("config") or {}
    model = str(content.get("model_name") or config.get("model_args") or config.get("model") or file.stem)
    for task, metrics in content["results"].items():
        if task not in mapping:
            yield ImportedNumber(unknown=f"task {task}")
            continue
        ours = mapping[task]
        cell = next((metrics[name] for name in _filters(ours["metric"], metrics)), None)
        if (value := _finite(file, task, cell)) is None:
            yield ImportedNumber(unknown=f"metric {ours['metric']} of {task}")
            continue
        yield ImportedNumber(model, ours["task"], ours["as"], value / ours.get("divide", 1), ours.get("note", ""))


def _filters(name: str, metrics: Fields) -> list[str]:
    """Return the keys of a metric in lmms-eval's results: its name, alone or with a filter after a comma."""
    return [key for key in metrics if key == name or key.startswith(f"{name},")]


def _finite(file: Path, name: str, cell: Any) -> float | None:
    """Return a number; None for an empty cell.

    Raises:
        GoldievalError: the cell is not a finite number.
    """
    if cell is None or cell == "":
        return None
    try:
        value = float(cell)
    except (TypeError, ValueError):
        raise GoldievalError(f"{file}: {name}: {cell!r} is not a number.") from None
    if not math.isfinite(value):
        raise GoldievalError(f"{file}: {name}: {cell} is not a finite number.")
    return value


def _model(name: Any, pretrained: Any) -> str:
    return f"{name}/{pretrained}" if pretrained else str(name)
