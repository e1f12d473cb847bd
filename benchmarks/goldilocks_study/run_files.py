"""The run files of the study ``goldilocks``: everything that tables and figures show, without outcomes per sample."""

from __future__ import annotations

import json
import statistics
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from trainings import Planned, versions

from goldieval.core.errors import GoldievalError
from goldieval.core.files import atomic_write
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.training_state import differences
from goldieval.records.results import load_results
from goldieval.records.schema import Record
from goldieval.report.study_runs import Run
from goldilocks_study.folders import SHARES, VALIDATION

POINTS = 30  # of a curve of losses or weights
DIGITS = 5
Values = dict[str, dict[str, float]]  # task to metric to value


class BenchRun(Run, allow_inf_nan=False):
    """One training of the study.

    Attributes:
        start: fingerprint of the weights that it began with.
        versions: versions of goldieval and the libraries.
        epochs: how often it saw each of its scenes.
        all_processor_seconds: with start of programs, drawing of scenes, checkpoints and evaluations, where no program
            was killed; ``processor_seconds`` are those of the training steps alone.
        curves: ``step``, and means since the point before, by name such as ``loss/softmax`` and ``weight/softmax``.
        validation: step to way of scoring to values, on scenes of the validation split.
        test: way of scoring to values, on the test split, for the ways that are not in ``records``.
        shares: share of the variance of the global image feature that each attribute of drawn scenes explains.
    """

    start: str
    versions: dict[str, str]
    epochs: float
    all_processor_seconds: float
    curves: dict[str, list[float]]
    validation: dict[int, dict[str, Values]]
    test: dict[str, Values] = {}
    shares: dict[str, float]

    @property
    def name(self) -> str:
        """The name of its file, without the suffix."""
        return f"{self.group}-{self.row}-seed{self.seed}"


def content_of(planned: Planned, run: Path, start: str, seconds: float) -> dict[str, Any]:
    """Return the content of a run file.

    Args:
        planned: the run.
        run: its folder.
        start: fingerprint of the weights that it began with.
        seconds: processor seconds of everything.

    Raises:
        GoldievalError: a checkpoint was evaluated twice, by plans that differ.
    """
    recipe = planned.whole()
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    validation: dict[int, dict[str, Values]] = {}
    for way in sorted((run / "validation").iterdir()):
        for record in load_results(way):
            step = int(record.model.spec.rpartition("step-")[2])
            of_way = validation.setdefault(step, {}).setdefault(way.name, {})
            if of_way.keys() & _values(record).keys():
                raise GoldievalError(
                    f"{way} has two evaluations of step {step} on {record.task.name}: remove the folder."
                )
            of_way.update(_values(record))
    test = {way.name: list(load_results(way)) for way in sorted((run / "test").glob("*"))}
    records = test.pop(recipe.scoring, [])
    images = recipe.optimiser.steps * recipe.optimiser.batch_size
    return {
        **planned.about,
        "start": start,
        "versions": versions(),
        "images_seen": images,  # without those of the start
        "images_per_second": round(statistics.median(line["rate"] for line in log), 2),
        "epochs": round(images / recipe.data.scenes, 2),
        "processor_seconds": round(sum(line["processor"] for line in log), 1),
        "all_processor_seconds": round(seconds, 1),
        "curves": curves(log),
        "validation": {step: validation[step] for step in sorted(validation)},
        "test": {way: {name: own for record in found for name, own in _values(record).items()}
                 for way, found in test.items()},
        "shares": json.loads((run / SHARES).read_text()),
        "recipe": recipe.model_dump(mode="json"),
        "records": [record.model_dump(mode="json", exclude={"outcomes"}) for record in records],
    }  # fmt: skip


def _values(record: Record) -> Values:
    kept = {name: round(metric.value, DIGITS) for name, metric in record.metrics.items() if _is_kept(name, record)}
    return {record.task.name.removesuffix(VALIDATION): kept}


def _is_kept(metric: str, record: Record) -> bool:
    return metric in (record.task.headline, "t2i_r1") or metric.startswith("t2i_r1_")


def curves(log: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Return the log of a training as means over equal parts of it.

    Raises:
        ValueError: a loss is in no step of a part.
    """
    bounds = sorted({round(part * len(log) / POINTS) for part in range(POINTS + 1)})
    parts = [log[first:last] for first, last in pairwise(bounds)]
    found: dict[str, list[float]] = {"step": [part[-1]["step"] for part in parts]}
    for kind in ("losses", "weights"):
        for name in log[-1][kind]:
            of_parts = [[line[kind][name] for line in part if name in line[kind]] for part in parts]
            found[f"{kind}/{name}"] = [round(statistics.fmean(part), DIGITS) for part in of_parts]
    return found


def write(file: Path, content: dict[str, Any]) -> None:
    """Write a run file, whole or not at all: one line per entry, and one per record."""
    lines = [f" {json.dumps(key)}: {_line(value)}" for key, value in content.items()]
    BenchRun.model_validate(content)
    atomic_write(file, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


def _line(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"  {json.dumps(each, separators=(',', ':'))}" for each in value) + "\n ]"
    return json.dumps(value, separators=(",", ":"))


def fault_of(file: Path, planned: Planned, start: str) -> str:
    """Return why a run file is not that of a planned run; empty where it is.

    Args:
        file: the run file.
        planned: what would be trained now.
        start: fingerprint of the weights that it would begin with.
    """
    try:
        written = json.loads(file.read_text())
        then, now = Recipe.model_validate(written["recipe"]), planned.whole()
        found = str(written["start"])
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        return f"{file} is not a run file: {str(error).splitlines()[0]}"
    if found != start:
        return f"{file} began with the start {found[:12]}, the start is {start[:12]} now"
    changed = differences(then, now)
    if changed or then.scoring != now.scoring:
        return f"{file} was trained with {(changed or [f'scoring {then.scoring}, not {now.scoring}'])[0]}"
    return ""
