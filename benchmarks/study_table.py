"""The table of a training study, from its record files: mean over seeds with a t interval, and what a run cost.

    uv run python benchmarks/study_table.py methods              # rewrites results/methods/README.md between its markers
    uv run python benchmarks/study_table.py superclip-batches

Rows stand in the order of the study's plan; statistics as in ablation_table.py. Shapes scores stand beside nothing else.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import methods
import superclip_batches
from ablation_table import TASKS, Cell, half_width, markdown, number, pooled, rewrite, separable
from trainings import Planned, Study

STUDIES: dict[str, tuple[Study, Sequence[Planned]]] = {
    "methods": (methods.STUDY, methods.planned()),
    "superclip-batches": (superclip_batches.STUDY, superclip_batches.planned()),
}
Rows = dict[str, dict[str, Cell]]  # row to task to cell


def read(files: Iterable[Path]) -> tuple[Rows, dict[str, list[dict[str, Any]]]]:
    """Return headline scores in percent by row and task, and the runs of each row."""
    found: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for file in sorted(files):
        run = json.loads(file.read_text())
        runs[run["row"]].append(run)
        for record in run["records"]:
            if record["metrics"]:
                score = 100 * record["metrics"][record["task"]["headline"]]["value"]
                found[run["row"]][record["task"]["name"]][run["seed"]] = score
    return {row: {task: Cell(cell) for task, cell in tasks.items()} for row, tasks in found.items()}, runs


def table(rows: Rows, runs: dict[str, list[dict[str, Any]]], order: Sequence[str]) -> list[str]:
    """Return the lines of the table."""
    scatter = {task: pooled([cells[task] for cells in rows.values() if task in cells]) for task in TASKS}
    lines = []
    for row in order:
        if row not in rows:
            continue
        cells, rate = rows[row], fmean(run["images_per_second"] for run in runs[row])
        scores = [
            f"{number(cells[task].mean)} ± {number(half_width(*scatter[task], 1 / len(cells[task].scores)))}"
            if task in cells
            else "-"
            for task in TASKS
        ]
        lines.append([row, str(len(runs[row])), f"{runs[row][0]['images_seen'] / 1000:.0f}k", f"{rate:.0f}", *scores])
    last = ["separable, 3 seeds a side", "", "", "", *(number(separable(*scatter[task], 3)) for task in TASKS)]
    return markdown(["row", "seeds", "images seen", "images/s", *TASKS.values()], [*lines, last])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    study, planned = STUDIES[parser.parse_args().study]
    rows, runs = read(study.results.glob("*-seed*.json"))
    body = "\n".join(table(rows, runs, list(dict.fromkeys(run.about["row"] for run in planned))))
    rewrite(study.results / "README.md", body)


if __name__ == "__main__":
    main()
