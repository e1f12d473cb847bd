"""lmms-eval: one JSON file per run with ``results`` by task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from goldieval.report.importing.number import Fields, ImportedNumber, all_names, finite


def from_json(file: Path, content: Fields) -> Iterator[ImportedNumber]:
    """Yield the numbers of one run."""
    mapping, config = all_names()["lmms_eval"], content.get("config") or {}
    model = str(content.get("model_name") or config.get("model_args") or config.get("model") or file.stem)
    for task, metrics in content["results"].items():
        if task not in mapping:
            yield ImportedNumber(unknown=f"task {task}")
            continue
        yield from _of_task(file, task, model, metrics, mapping[task])


def _of_task(file: Path, task: str, model: str, metrics: Fields, ours: Fields) -> Iterator[ImportedNumber]:
    """Yield the numbers of one task under our names."""
    for metric, theirs in ours["metrics"].items():
        cell = next((metrics[key] for name in theirs for key in _filters(name, metrics)), None)
        if (value := finite(file, task, cell)) is None:
            yield ImportedNumber(unknown=f"metric {theirs[0]} of {task}")
            continue
        yield ImportedNumber(model, ours["task"], metric, value / ours.get("divide", 1), ours.get("note", ""))


def _filters(name: str, metrics: Fields) -> list[str]:
    """Return the keys of a metric in lmms-eval's results: its name, alone or with a filter after a comma."""
    return [key for key in metrics if key == name or key.startswith(f"{name},")]
