"""The ablation's tables, from the run files in results/ablation: rows, paired steps, and the data-efficiency curve.

    uv run python benchmarks/ablation_table.py              # rewrites results/ablation/README.md between its markers

Seeds are the sample: a mean over seeds has a t interval from the scatter over seeds, pooled over all rows of a column
(a row of three seeds alone has two degrees of freedom). ``separable`` is the smallest difference of two rows that such a
test would find with 80 % power at the 5 % level. Shapes scores stand beside nothing else.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from ablation import RESULTS, ROWS, SCENES
from scipy.stats import t as student

START, END = "<!-- tables -->", "<!-- end of tables -->"
TASKS = {
    "shapes-retrieval": "retrieval",
    "shapes-zeroshot": "zero-shot",
    "shapes-question": "question",
    "shapes-question-answer": "with answer",
    "shapes-finegrained": "fine-grained",
    "shapes-composition": "composition",
    "shapes-vqa": "VQA",
    "shapes-segmentation": "segmentation",
}
STEPS = ("ab", "bc", "cd", "ce", "ef", "fg", "fh", "hi", "fi", "jh", "bh", "hk")  # of which to what


@dataclass(frozen=True)
class Cell:
    """Scores of one row on one task in percent, by seed."""

    scores: dict[int, float]

    @property
    def mean(self) -> float:
        return fmean(self.scores.values())


Table = dict[tuple[str, int], dict[str, Cell]]  # (row, scenes) to task to cell


def read(files: Iterable[Path]) -> tuple[Table, dict[tuple[str, int], dict[str, Any]]]:
    """Return the headline scores by row and scenes, and of each the first run's file."""
    found: dict[tuple[str, int], dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    about: dict[tuple[str, int], dict[str, Any]] = {}
    for file in sorted(files):
        run = json.loads(file.read_text())
        place = run["row"], run["scenes"]
        about.setdefault(place, run)
        for record in run["records"]:
            if record["metrics"]:
                score = 100 * record["metrics"][record["task"]["headline"]]["value"]
                found[place][record["task"]["name"]][run["seed"]] = score
    return {place: {task: Cell(cell) for task, cell in tasks.items()} for place, tasks in found.items()}, about


def pooled(cells: Sequence[Cell]) -> tuple[float, int]:
    """Return the standard deviation over seeds pooled over rows, and its degrees of freedom."""
    freedom = sum(len(cell.scores) - 1 for cell in cells)
    squares = sum((score - cell.mean) ** 2 for cell in cells for score in cell.scores.values())
    return (math.sqrt(squares / freedom) if freedom else math.nan), freedom


def half_width(deviation: float, freedom: int, share: float) -> float:
    """Return the half-width of a 95 % interval of a mean (or difference) with variance ``share`` of one run's."""
    return float(student.ppf(0.975, freedom)) * deviation * math.sqrt(share) if freedom else math.nan


def separable(deviation: float, freedom: int, seeds: int) -> float:
    """Return the smallest difference of two rows of so many seeds that is found with 80 % power."""
    if not freedom:
        return math.nan
    return float(student.ppf(0.975, freedom) + student.ppf(0.8, freedom)) * deviation * math.sqrt(2 / seeds)


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(line) + " |" for line in (header, ["---"] * len(header), *rows)]


def number(value: float, signed: bool = False) -> str:
    return "-" if math.isnan(value) else f"{value:+.1f}" if signed else f"{value:.1f}"


def main_table(
    table: Table, about: dict[tuple[str, int], dict[str, Any]], scatter: dict[str, tuple[float, int]]
) -> list[str]:
    """Return every row: mean over seeds with the half-width of its interval."""
    lines = []
    for row in ROWS:
        if (row, SCENES) not in table:
            continue
        run, cells = about[row, SCENES], table[row, SCENES]
        seeds = max(len(cell.scores) for cell in cells.values())
        scores = [
            f"{number(cells[task].mean)} ± {number(half_width(*scatter[task], 1 / len(cells[task].scores)))}"
            if task in cells
            else "-"
            for task in TASKS
        ]
        lines.append(
            [
                f"({row}) {run['recipe']['title'].partition(': ')[2]}",
                str(seeds),
                f"{run['images_seen'] / 1000:.0f}k",
                *scores,
            ]
        )
    last = ["separable, 3 seeds a side", "", "", *(number(separable(*scatter[task], 3)) for task in TASKS)]
    return markdown(["row", "seeds", "images seen", *TASKS.values()], [*lines, last])


def step_table(table: Table, scatter: dict[str, tuple[float, int]]) -> list[str]:
    """Return what each step adds: difference of means, bold where its 95 % interval leaves out 0."""
    lines = []
    for before, after in STEPS:
        if (before, SCENES) not in table or (after, SCENES) not in table:
            continue
        old, new = table[before, SCENES], table[after, SCENES]
        cells = []
        for task in TASKS:
            if task not in old or task not in new:
                cells.append("-")
                continue
            difference = new[task].mean - old[task].mean
            width = half_width(*scatter[task], 1 / len(old[task].scores) + 1 / len(new[task].scores))
            said = f"{number(difference, signed=True)} ± {number(width)}"
            cells.append(f"**{said}**" if abs(difference) > width else said)
        lines.append([f"({before}) to ({after})", *cells])
    return markdown(["step", *TASKS.values()], lines)


def curve_table(table: Table, about: dict[tuple[str, int], dict[str, Any]]) -> list[str]:
    """Return score against unique scenes at equal images seen."""
    places = sorted(place for place in table if place[0] in ("b", "h"))
    lines = [
        [
            f"({row})",
            f"{scenes:,}",
            f"{about[row, scenes]['images_seen'] / scenes:.1f}",
            *(number(table[row, scenes][task].mean) if task in table[row, scenes] else "-" for task in TASKS),
        ]
        for row, scenes in places
    ]
    return markdown(["row", "unique scenes", "epochs", *TASKS.values()], lines)


def rewrite(page: Path, body: str) -> None:
    """Put a table between the markers of a page, and print it."""
    text = page.read_text()
    before, after = text[: text.index(START) + len(START)], text[text.index(END) :]
    page.write_text(f"{before}\n\n{body}\n\n{after}")
    print(body)


def main() -> None:
    table, about = read(file for file in RESULTS.glob("*-seed*.json"))
    scatter = {task: pooled([cells[task] for cells in table.values() if task in cells]) for task in TASKS}
    parts = [
        ["Mean over seeds, 95 % half-width:", "", *main_table(table, about, scatter)],
        ["What each step adds (bold: the interval leaves out 0):", "", *step_table(table, scatter)],
        ["Score against unique scenes, at equal images seen:", "", *curve_table(table, about)],
    ]
    body = "\n\n".join("\n".join(part) for part in parts)
    rewrite(RESULTS / "README.md", body)


if __name__ == "__main__":
    main()
