"""DataComp's evaluation: one file per model, with one JSON object per line for each data set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError
from goldieval.core.reading import parse_json
from goldieval.report.importing.number import ImportedNumber, all_names, finite

AVERAGED = 38
"""Number of data sets in DataComp's average."""


def from_lines(file: Path, text: str) -> Iterator[ImportedNumber]:
    """Yield the numbers of one model, and the mean of the main metrics of DataComp's 38 sets if all are there.

    Raises:
        GoldievalError: a line is not an object with ``key`` and ``metrics``.
    """
    mapping, main = all_names()["datacomp"], {}
    for number, line in enumerate(text.split("\n"), start=1):  # other ends of lines may be part of a text
        if not line.strip():
            continue
        key, metrics = _entry(f"{file}:{number}", line)
        if key not in mapping["tasks"]:
            yield ImportedNumber(unknown=f"data set {key}")
            continue
        ours = mapping["tasks"][key]
        for theirs, (task, metric) in ours["metrics"].items():
            if (value := finite(file, f"{key} {theirs}", metrics.get(theirs))) is not None:
                yield ImportedNumber(file.stem, task, metric, value, protocol=ours.get("protocol", ""))
        found = finite(file, f"{key} main_metric", metrics.get("main_metric"))
        if ours.get("averaged") and found is not None:
            main[key] = found
    if len(main) == AVERAGED:
        mean = sum(main.values()) / AVERAGED
        yield ImportedNumber(file.stem, "datacomp-38", "average", mean, "mean of the 38 main metrics of the file")
    elif main:
        yield ImportedNumber(unknown=f"average of {AVERAGED} data sets, of which {len(main)} are there")


def _entry(place: str, line: str) -> tuple[str, dict[str, Any]]:
    try:
        entry = parse_json(line, unique=True)
        key, metrics = str(entry["key"]), dict(entry["metrics"])
    except ValueError as error:
        raise GoldievalError(f"{place}: not a line of DataComp's evaluation: {error}.") from None
    except (TypeError, KeyError):
        raise GoldievalError(f"{place}: not a line of DataComp's evaluation, with key and metrics.") from None
    return key, metrics
