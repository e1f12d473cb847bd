"""Processor seconds per step of rows of the study ``goldilocks``, measured once and kept in ``rates.json``.

Steps are measured in turns, all rows after each other and again, so that a machine that slows down slows all of them.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from goldilocks_study.folders import Folders, read_own
from goldilocks_study.plan import Plan
from metered import Stop, metered
from trainings import versions

from goldieval.core.files import atomic_write
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.recipe_files import load_recipe
from goldieval.goldiclip.training_state import differences

ROUNDS, STEPS = 5, 6  # turns, and steps of a row in a turn
SCENES = 1000


def rates_of(
    plan: Plan, folders: Folders, rows: Sequence[str], threads: int = 1, stop: Stop | None = None
) -> dict[str, float]:
    """Return the processor seconds per step of rows.

    Args:
        plan: the plan.
        folders: where ``rates.json`` is.
        rows: the rows.
        threads: threads of a measurement.
        stop: request to stop; without it nothing is measured.

    Raises:
        SystemExit: a row has not been measured, or its recipe has changed since.
        CutError: the measurement was stopped.
        FailedError: it failed.
    """
    file = folders.results / "rates.json"
    known: dict[str, Any] = read_own(file, "rows")["rows"] if file.is_file() else {}
    if lacking := [row for row in rows if row not in known]:
        if stop is None:
            raise SystemExit(f"no rate of row {lacking[0]}: measure first, with --measure, while nothing else runs.")
        known = _measured(plan, folders, rows, threads, stop)
        content = {"threads": threads, "versions": versions(), "rows": known}
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, (json.dumps(content, indent=1) + "\n").encode())
    for row in rows:
        then, now = Recipe.model_validate(known[row]["recipe"]), load_recipe(plan.rows[row])
        if changed := differences(then, now):
            raise SystemExit(f"{file}: row {row} was measured with {changed[0]}. Remove the file and measure again.")
    return {row: known[row]["processor_seconds"] for row in rows}


def _measured(plan: Plan, folders: Folders, rows: Sequence[str], threads: int, stop: Stop) -> dict[str, Any]:
    with TemporaryDirectory() as temporary:
        found, names = Path(temporary) / "seconds.json", [plan.rows[row] for row in rows]
        metered([__file__, str(found), *names], folders.home, Path(temporary) / "output.txt", threads, stop)
        seconds: list[float] = json.loads(found.read_text())
    return {
        row: {"processor_seconds": round(each, 4), "recipe": load_recipe(plan.rows[row]).model_dump(mode="json")}
        for row, each in zip(rows, seconds, strict=True)
    }


def measure(names: Sequence[str]) -> list[float]:
    """Return the median of the processor seconds per step of recipes, measured in turns."""
    from goldieval.goldiclip.trainer import Trainer

    with TemporaryDirectory() as folder:
        changes = {"data.scenes": SCENES, "optimiser.steps": ROUNDS * STEPS + 1}
        trainers = [Trainer(load_recipe(name, changes), Path(folder)) for name in names]
        for trainer in trainers:
            trainer.train_step()  # which also sets things up
        seconds: list[list[float]] = [[] for _ in names]
        for _ in range(ROUNDS):
            for trainer, own in zip(trainers, seconds, strict=True):
                trainer.training_step.restart_clock()
                own += [trainer.train_step().processor for _ in range(STEPS)]
    return [statistics.median(own) for own in seconds]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(measure(sys.argv[2:])))
