"""The tables of the page of the ablation: ``goldieval table ablation``, paired steps, and the data-efficiency curve.

    uv run python benchmarks/ablation_table.py              # rewrites results/ablation/README.md between its markers

The sample is the seeds: a mean over seeds has a t interval from the standard deviation over seeds, pooled over all rows of a
column (a row of three seeds alone has two degrees of freedom). Scores on Shapes are never shown with others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from ablation import RESULTS, RUNS, SCENES
from study_table import rewrite
from trainings import Study

from goldieval.metrics.pooled import half_width, pooled
from goldieval.report.built_table import build_table
from goldieval.report.formats.markdown import to_markdown
from goldieval.report.study_runs import Runs, scores_of
from goldieval.report.table_spec import Column, load_spec

# Of which row to which:
STEPS = ["ab", "bc", "cd", "ce", "ef", "fg", "fh", "hi", "fi", "jh", "bh", "hk", "cl", "cm", "en", "eo", "hp", "hq"]
Table = dict[str, dict[tuple[str, int | None], dict[int, float]]]  # column to (row, scenes) to seed to score


def columns() -> list[Column]:
    return [column for column in load_spec("ablation").panels[0].columns if isinstance(column, Column)]


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(line) + " |" for line in (header, ["---"] * len(header), *rows)]


def step(old: dict[int, float], new: dict[int, float], deviation: float, freedom: int) -> str:
    """Return a difference of means in points, bold where its 95 % interval leaves out 0."""
    if not old or not new:
        return "-"
    difference = 100 * (fmean(new.values()) - fmean(old.values()))
    width = 100 * half_width(deviation, freedom, 1 / len(old) + 1 / len(new))
    if not freedom:
        return f"{difference:+.1f}"
    return f"**{difference:+.1f} ± {width:.1f}**" if abs(difference) > width else f"{difference:+.1f} ± {width:.1f}"


def step_table(table: Table) -> list[str]:
    """Return what each step adds, over rows of which there are runs."""
    there = {row for cells in table.values() for row, scenes in cells if scenes == SCENES}
    lines = []
    for before, after in (pair for pair in STEPS if set(pair) <= there):
        cells = []
        for of_rows in table.values():
            mine = {row: scores for (row, scenes), scores in of_rows.items() if scenes == SCENES}
            cells.append(
                step(mine.get(before, {}), mine.get(after, {}), *pooled(list(s.values()) for s in mine.values()))
            )
        lines.append([f"({before}) to ({after})", *cells])
    return markdown(["step", *table], lines)


def curve_table(table: Table, runs: Runs) -> list[str]:
    """Return score against unique scenes at equal images seen."""
    seen = {(run.row, run.scenes): run.images_seen for _, run in runs if run.row in ("b", "h") and run.scenes}
    lines = [
        [f"({row})", f"{scenes:,}", f"{seen[row, scenes] / scenes:.1f}", *(
            f"{100 * fmean(cells[row, scenes].values()):.1f}" if (row, scenes) in cells else "-"
            for cells in table.values()
        )]
        for row, scenes in sorted(seen)
    ]  # fmt: skip
    return markdown(["row", "unique scenes", "epochs", *table], lines)


def tables() -> str:
    """Return the table of the study, what each step adds, and the curve, as Markdown."""
    made = build_table("ablation", [RESULTS])
    runs = made.sources.runs.get("ablation", [])
    table = {column.label: scores_of(runs, column)[0] for column in columns()}
    parts = [
        to_markdown(made.grid).splitlines(),
        ["What each step adds (bold: the interval leaves out 0):", "", *step_table(table)],
        ["Score against unique scenes, at equal images seen:", "", *curve_table(table, runs)],
        *([f"{fault}  " for fault in made.grid.faults],),
    ]
    return "\n\n".join("\n".join(part) for part in parts)


def main() -> None:
    rewrite(Study(RESULTS, RUNS), tables())


if __name__ == "__main__":
    main()
