"""Shared by the training studies: measured speed of a recipe, resumable training, one file per run."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.recipe_files import load_recipe
from goldieval.records.results import load_results

ROOT = Path(__file__).parents[1]
MEASURED_STEPS = 6
KEEPS_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(2**31 - 1), "MALLOC_MMAP_THRESHOLD_": str(2**30)}  # glibc: 6 % of a step
_MEASURE = """
import json, statistics, sys, tempfile
from pathlib import Path
from goldieval.goldiclip.recipe_files import load_recipe
from goldieval.goldiclip.trainer import Trainer
recipe = load_recipe(sys.argv[1], json.loads(sys.argv[2]))
trainer = Trainer(recipe, Path(tempfile.mkdtemp()))
rates = [trainer.train_step().rate for _ in range(recipe.optimiser.steps)]
print(statistics.median(rates[2:]))
"""


@dataclass(frozen=True)
class Planned:
    """One training of a study.

    Attributes:
        name: Name of the run and of its record file.
        recipe: Recipe by name.
        changes: Values by dotted key.
        about: Further entries of the record.
    """

    name: str
    recipe: str
    changes: dict[str, Any]
    about: dict[str, Any] = field(default_factory=dict)

    def whole(self) -> Recipe:
        return load_recipe(self.recipe, self.changes)


@dataclass(frozen=True)
class Study:
    """Folders of a study.

    Attributes:
        results: Record files.
        runs: Checkpoints, relative to the project; not in git.
    """

    results: Path
    runs: Path

    def file(self, planned: Planned) -> Path:
        return self.results / f"{planned.name}.json"


def rate_of(recipe: str, changes: dict[str, Any], threads: int) -> float:
    """Return images per second of a recipe, measured in a process of its own."""
    short = {**changes, "optimiser.steps": MEASURED_STEPS + 2}
    return float(python(["-c", _MEASURE, recipe, json.dumps(short)], threads))


def trained(file: Path, out: Path, recipe: str, changes: dict[str, Any], about: dict[str, Any], threads: int) -> None:
    """Train into ``out``, evaluate and write the run's file, whole or not at all; an interrupted run is resumed."""
    settings = [part for key, value in changes.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    start = time.monotonic()
    python(["-m", "goldieval", "train", recipe, "--out", str(out), "--resume", *settings], threads)
    log = [json.loads(line) for line in (ROOT / out / "log.jsonl").read_text().splitlines()]
    content = {**about, **summary(load_recipe(recipe, changes), log, out)}
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    temporary.replace(file)
    print(f"{file.stem}: {time.monotonic() - start:.0f} s", flush=True)


def summary(recipe: Recipe, log: list[dict[str, Any]], out: Path) -> dict[str, Any]:
    """Return the recipe as trained, what it cost, the last losses and weights, the records."""
    records = [record.model_dump(mode="json", exclude={"outcomes"}) for record in load_results(ROOT / out / "results")]
    return {
        "images_seen": recipe.optimiser.steps * recipe.optimiser.batch_size,  # without those of init
        "images_per_second": statistics.median(line["rate"] for line in log),
        "losses": log[-1]["losses"],
        "weights": log[-1]["weights"],
        "recipe": recipe.model_dump(mode="json"),
        "records": records,
    }


def environment(threads: int) -> dict[str, str]:
    """Return the environment of a program that trains with a number of threads."""
    return {**KEEPS_MEMORY, **os.environ, "OMP_NUM_THREADS": str(threads)}


def python(arguments: Sequence[str], threads: int) -> str:
    """Run Python with a number of threads; return what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments], env=environment(threads), cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments[:5])} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def whole_run(changes: dict[str, Any], steps: int) -> dict[str, Any]:
    """Add the length of a run, and an evaluation at its end."""
    return {**changes, "optimiser.steps": steps, "save_every": max(1, steps // 4), "keep": 1, "evaluation.every": steps}


def study_main(document: str, study: Study, planned: Sequence[Planned]) -> None:
    """Command line of a study: measure, or train all runs without a record file."""
    parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1, help="trainings at the same time")
    parser.add_argument("--threads", type=int, default=1, help="threads of each training")
    parser.add_argument("--only", default="", help="only runs whose name begins with this")
    parser.add_argument("--measure", action="store_true", help="measure, print the cost of everything, and stop")
    options = parser.parse_args()
    todo = [run for run in planned if run.name.startswith(options.only) and not study.file(run).exists()]
    if options.measure:
        print(costs(todo, options.threads))
        return
    study.results.mkdir(parents=True, exist_ok=True)
    print(f"{len(todo)} runs to do", flush=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(lambda run: train(study, run, options.threads), todo))


def train(study: Study, run: Planned, threads: int) -> None:
    trained(study.file(run), study.runs / run.name, run.recipe, run.changes, run.about, threads)


def costs(todo: Sequence[Planned], threads: int) -> str:
    """Measure each kind of run once; return their rates and the hours of all."""
    rates: dict[tuple[str, int], float] = {}
    lines, seconds = [], 0.0
    for run in todo:
        optimiser = run.whole().optimiser
        kind = run.recipe, optimiser.batch_size
        if kind not in rates:
            rates[kind] = rate_of(run.recipe, {**run.changes, "data.scenes": 1000, "evaluation.every": 0}, threads)
            lines.append(f"{run.recipe}, batch {optimiser.batch_size}: {rates[kind]:.0f} images/s")
        seconds += optimiser.steps * optimiser.batch_size / rates[kind]
    return "\n".join([*lines, f"{len(todo)} runs to do, {seconds / 3600:.1f} hours of {threads} thread(s)"])


def versions() -> dict[str, str]:
    """Return the versions that a training's numbers may depend on."""
    return {package: version(package) for package in ("goldieval", "torch", "open_clip_torch", "numpy", "pillow")}
