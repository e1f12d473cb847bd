"""MIEB, the image benchmark of mteb: one JSON file per model and task, below ``results/MODEL/REVISION/``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError
from goldieval.core.limits import RECORD_BYTES
from goldieval.core.reading import parse_json, read_text
from goldieval.report.importing.number import Fields, ImportedNumber, all_names, finite

ABOUT = "model_meta.json"  # beside the results of a model; it holds no scores


def from_json(file: Path, content: Fields) -> Iterator[ImportedNumber]:
    """Yield the numbers of one task.

    Raises:
        GoldievalError: the scores are not as mteb writes them.
    """
    task, mapping = str(content["task_name"]), all_names()["mieb"]
    if task not in mapping["tasks"]:
        yield ImportedNumber(unknown=f"task {task}")
        return
    ours = mapping["tasks"][task]
    subsets = _subsets(file, content)
    if len(subsets) != 1:
        yield ImportedNumber(unknown=f"{len(subsets)} subsets of {task}")
        return
    for theirs, metric in ours["metrics"].items():
        value = finite(file, f"{task} {theirs}", subsets[0].get(theirs))
        if value is None:
            yield ImportedNumber(unknown=f"metric {theirs} of {task}")
        else:
            yield ImportedNumber(_model(file), ours["task"], metric, value, protocol=ours.get("protocol", ""))


def _subsets(file: Path, content: Fields) -> list[dict[str, Any]]:
    """Return the scores of each subset of each split. Raises GoldievalError if they are of another form."""
    splits = content["scores"]
    right = isinstance(splits, dict) and all(
        isinstance(subsets, list) and all(isinstance(subset, dict) for subset in subsets) for subsets in splits.values()
    )
    if not right:
        raise GoldievalError(f"{file}: scores must be a list of subsets for each split, as mteb writes them.")
    return [subset for subsets in splits.values() for subset in subsets]


def _model(file: Path) -> str:
    """Return the model's name: of the file about it, else of a folder OWNER__NAME, else that of the file's folder."""
    folder = file.resolve().parent
    about = folder / ABOUT
    if about.is_file():
        content = parse_json(read_text(about, RECORD_BYTES))
        if isinstance(content, dict) and isinstance(content.get("name"), str):
            return str(content["name"])
    named = next((name for name in (folder.parent.name, folder.name) if "__" in name), folder.name)
    return named.replace("__", "/")
