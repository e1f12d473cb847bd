"""The runs of a training study: one JSON file each, ``NAME-seedN.json``, with its row, seed and records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from goldieval.core.errors import GoldievalError
from goldieval.core.limits import RECORD_BYTES
from goldieval.core.reading import read_json
from goldieval.records.schema import SCHEMA, Record
from goldieval.report.settings import Setting, main_setting, setting_of
from goldieval.report.table_spec import Column
from goldieval.tasks.catalogue import packaged
from goldieval.tasks.validation import validation_line


class Run(BaseModel):
    """One training.

    Attributes:
        row: row of the study.
        seed: seed of the training.
        scenes: number of drawn scenes; None if it is not fixed.
        images_seen: number of images seen in training.
        images_per_second: speed of the training; None if it was not measured.
        processor_seconds: processor time of the training; None if it was not measured.
        group: group of runs that a table shows together; empty if the study has none.
        recipe: recipe of the training.
        records: records of its evaluation.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    row: str
    seed: int
    scenes: int | None = None
    images_seen: int
    images_per_second: float | None = None
    processor_seconds: float | None = None
    group: str = ""
    recipe: dict[str, Any] = {}
    records: list[Record]


Runs = list[tuple[Path, Run]]
RunKind = TypeVar("RunKind", bound=Run)
Scores = dict[int, float]  # seed to score


def study_folder(name: str, places: Sequence[Path], shipped: bool) -> Path | None:
    """Return the folder with the runs of a study: a place, its folder of that name, or that of the package."""
    candidates = [folder for place in places for folder in (place / name, place)]
    candidates += [packaged(f"results/{name}")] if shipped else []
    return next((folder for folder in candidates if folder.is_dir() and any(folder.glob("*-seed*.json"))), None)


def read_runs(folder: Path, kind: type[RunKind]) -> tuple[list[tuple[Path, RunKind]], list[str]]:
    """Return the runs in a folder, sorted by file, and one line for each file that is not a run.

    Args:
        folder: folder of the files.
        kind: what a file holds; a study may keep more of a run than tables show.
    """
    runs, faults = [], []
    for file in sorted(folder.glob("*-seed*.json")):
        try:
            runs.append((file, _read(file, kind)))
        except GoldievalError as error:
            faults.append(str(error))
    return runs, faults


def _read(file: Path, kind: type[RunKind]) -> RunKind:
    try:
        run = kind.model_validate(read_json(file, RECORD_BYTES))
    except ValidationError as error:
        raise GoldievalError(f"{file} is not a run of a study: {validation_line(error)}") from None
    except (OSError, ValueError) as error:
        raise GoldievalError(f"cannot read the run {file}: {error}") from error
    if newer := [record.schema_version for record in run.records if record.schema_version > SCHEMA]:
        raise GoldievalError(f"{file} has record schema {newer[0]}, this goldieval reads up to {SCHEMA}: upgrade it.")
    return run


def scores_of(runs: Runs, column: Column, protocol: str = "") -> tuple[dict[tuple[str, int | None], Scores], list[str]]:
    """Return the scores of a column as fractions by (row, scenes) and seed, and one line for each record left out.

    Only records of one setting are used, that of the card or else the most frequent one. The scoring mode is part
    of the row, not of the setting.
    """
    measured = [
        (file, run, record)
        for file, run in runs
        for record in run.records
        if record.task.name == column.task and column.metric in record.metrics
    ]
    main = main_setting([_setting(record) for _, _, record in measured], protocol)
    scores: dict[tuple[str, int | None], Scores] = defaultdict(dict)
    faults = []
    for file, run, record in measured:
        setting = _setting(record)
        differs = setting.differences(main) if main else setting.restrictions()
        if differs:
            faults.append(f"{file.name}: {column.task} is left out: {', '.join(differs)}")
        else:
            scores[run.row, run.scenes][run.seed] = record.metrics[column.metric].value
    return dict(scores), faults


def _setting(record: Record) -> Setting:
    return replace(setting_of(record), scoring="")
