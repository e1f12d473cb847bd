"""Made-up run files of the study ``goldilocks``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthetic_records import made, share

from goldieval.goldiclip.recipe_files import load_recipe
from goldieval.report.table_spec import Column, load_spec

START = "5" * 64
STEPS = (300, 600)
HEADLINES = ("zero-shot", "retrieval T2I", "fine-grained", "question", "with answer")
NAMES = (*HEADLINES, "objects", "relations", "background")
Values = dict[str, dict[str, float]]


def bench_run(
    folder: Path,
    group: str,
    row: str,
    seed: int,
    scores: Mapping[str, float],
    recipe: str = "goldilocks/b_clip",
    **changes: Any,
) -> Path:
    """Write a run file with scores in points by the headings of the tables; on the way it had half of them."""
    by_task = _by_task(scores)
    chosen = load_recipe(recipe, {"seed": seed, "init": "runs/goldilocks/start/step-001800"})
    half = {task: {name: value / 2 for name, value in own.items()} for task, own in by_task.items()}
    content = {
        **{"row": row, "group": group, "seed": seed, "scenes": 20_000, "start": START, "versions": {"torch": "2"}},
        **{"images_seen": 115_200, "images_per_second": 150.0, "epochs": 5.76},
        **{"processor_seconds": 500.0, "all_processor_seconds": 700.0},
        "curves": {"step": list(STEPS), "losses/softmax": [2.0, 1.0], "weights/softmax": [0.5, 0.25]},
        "validation": {STEPS[0]: {chosen.scoring: half}, STEPS[1]: {chosen.scoring: by_task}},
        "test": {},
        "shares": {"background": 0.3},
        "recipe": chosen.model_dump(mode="json"),
        "records": [_record(task, f"{group}-{row}", seed, own) for task, own in by_task.items()],
    }
    file = folder / f"{group}-{row}-seed{seed}.json"
    file.write_text(json.dumps({**content, **changes}))
    return file


def ladder(
    folder: Path, means: Mapping[str, float], seeds: int = 5, spread: float = 1.0, group: str = "images"
) -> None:
    """Write runs of rows with the same score in all columns, and a scatter between seeds."""
    for row, mean in means.items():
        for seed in range(seeds):
            bench_run(folder, group, row, seed, dict.fromkeys(NAMES, mean + spread * (seed - (seeds - 1) / 2)))


def _by_task(scores: Mapping[str, float]) -> Values:
    panel = load_spec("goldilocks").panels[0]
    columns = {column.label: column for column in panel.columns if isinstance(column, Column)}
    by_task: Values = {}
    for heading, points in scores.items():
        by_task.setdefault(columns[heading].task, {})[columns[heading].metric] = points / 100
    return by_task


def _record(task: str, model: str, seed: int, scores: Mapping[str, float]) -> dict[str, Any]:
    references = {"chance": 0.0, "ceiling": 1.0}
    metrics = {name: share(value, 1000).model_copy(update=references) for name, value in scores.items()}
    return made(task, f"{model}@{seed}", seed=seed, metrics=metrics).model_dump(mode="json", exclude={"outcomes"})
