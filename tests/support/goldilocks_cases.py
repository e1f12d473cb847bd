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


def columns() -> dict[str, Column]:
    panel = load_spec("goldilocks").panels[0]
    return {column.label: column for column in panel.columns if isinstance(column, Column)}


def bench_run(
    folder: Path, group: str, row: str, seed: int, scores: Mapping[str, float], recipe: str = "goldilocks/b_clip",
    **changes: Any,
) -> Path:  # fmt: skip
    """Write a run file with scores in points by the headings of the tables; on the way it had half of them."""
    by_task: dict[str, dict[str, float]] = {}
    for heading, points in scores.items():
        column = columns()[heading]
        by_task.setdefault(column.task, {})[column.metric] = points / 100
    records = []
    for task, metrics in by_task.items():
        measured = {
            name: share(value, 1000).model_copy(update={"chance": 0.0, "ceiling": 1.0})
            for name, value in metrics.items()
        }
        record = made(task, f"{group}-{row}@{seed}", seed=seed, metrics=measured)
        records.append(record.model_dump(mode="json", exclude={"outcomes"}))
    chosen = load_recipe(recipe, {"seed": seed, "init": "runs/goldilocks/start/step-001800"})
    scoring = chosen.scoring
    content = {
        "row": row, "group": group, "seed": seed, "scenes": 20_000, "start": START, "versions": {"torch": "2"},
        "images_seen": 115_200, "images_per_second": 150.0, "epochs": 5.76, "processor_seconds": 500.0,
        "all_processor_seconds": 700.0,
        "curves": {"step": [300, 600], "losses/softmax": [2.0, 1.0], "weights/softmax": [0.5, 0.25]},
        "validation": {
            step: {scoring: {task: {name: value * part for name, value in own.items()} for task, own in by_task.items()}}
            for step, part in zip(STEPS, (0.5, 1.0), strict=True)
        },
        "test": {}, "shares": {"background": 0.3}, "recipe": chosen.model_dump(mode="json"), "records": records,
    }  # fmt: skip
    file = folder / f"{group}-{row}-seed{seed}.json"
    file.write_text(json.dumps({**content, **changes}))
    return file


def ladder(
    folder: Path, means: Mapping[str, float], seeds: int = 5, spread: float = 1.0, group: str = "images"
) -> None:
    """Write runs of rows whose headline columns have about the same mean, with a scatter between seeds."""
    names = (
        "zero-shot",
        "retrieval T2I",
        "fine-grained",
        "objects",
        "relations",
        "background",
        "question",
        "with answer",
    )
    for row, mean in means.items():
        for seed in range(seeds):
            bench_run(folder, group, row, seed, dict.fromkeys(names, mean + spread * (seed - (seeds - 1) / 2)))
