"""The page of the study ``goldilocks``: tables, learning curves and verdicts, from the committed run files alone.

    python benchmarks/goldilocks_table.py              # rewrites results/goldilocks/README.md between its markers

No table of rows is printed unless (b) is far enough from chance and from the ceiling, see ``gate`` in the plan.
Exit code 1 where it is not, or where a run file cannot be read.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

from goldilocks_study.claims import Comparison, verdicts
from goldilocks_study.folders import Folders
from goldilocks_study.plan import Plan, load_plan
from goldilocks_study.run_files import BenchRun
from goldilocks_study.scores import Scores, columns, refusal
from study_table import rewrite
from trainings import ROOT, Study

from goldieval.report.built_table import build_table
from goldieval.report.formats.markdown import to_markdown

HEADLINES = ("zero-shot", "retrieval T2I", "fine-grained", "question", "with answer")
TIME_TOLERANCE = 0.1  # of the processor time of rows that should have equal ones


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT, help="folder of results/; by default this checkout")
    folders, plan = Folders(parser.parse_args().out.resolve()), load_plan()
    scores = Scores.read(folders.results)
    refused = refusal(plan.gate, scores)
    parts = [*_studies_before(plan, scores), *([] if refused else _tables(plan, scores, folders))]
    parts += [f"{line}  " for line in [*([refused] if refused else []), *scores.faults]]
    rewrite(Study(folders.results, folders.runs), "\n\n".join(parts))
    return 1 if refused or scores.faults else 0


def _studies_before(plan: Plan, scores: Scores) -> list[str]:
    """Return the tables of the groups that are evaluated on the validation split alone."""
    groups = [name for name, group in plan.groups.items() if not group.test and scores.in_group(name)]
    return [
        f"### {name}: at the end, on scenes of the validation split\n\n{_validation_table(scores.in_group(name))}"
        for name in groups
    ]


def _tables(plan: Plan, scores: Scores, folders: Folders) -> list[str]:
    grid = build_table("goldilocks", [folders.results]).grid
    grid.panels = [panel for panel in grid.panels if any(not row.name.endswith(": no run yet") for row in panel.rows)]
    parts = [to_markdown(grid).strip(), f"### Verdicts\n\n{verdict_table(plan, scores)}"]
    parts += [
        f"### On the way, equal images, on scenes of the validation split\n\n{_curves(scores.in_group('images'))}"
    ]
    return [*parts, *_unequal_times(plan, scores), *(f"{fault}  " for fault in grid.faults)]


def verdict_table(plan: Plan, scores: Scores) -> str:
    """Return the claims with target, difference, interval, p adjusted for all of them, and verdict."""
    lines = []
    for claim, parts, whole in verdicts(plan.claims, scores):
        target = {"at_least": f"{claim.target:+g}" if claim.target else "above 0", "not_lower": "0 or above",
                  "within": f"within ±{claim.target:g}", "report": "none"}[claim.kind]  # fmt: skip
        for part in parts:
            found = _difference(part.test) if part.test else "-"
            p = "-" if part.p != part.p else f"{part.p:.3f}" if part.p >= 0.001 else "< 0.001"
            lines.append(["" if part is not parts[0] else claim.says, part.column, target, found, p, part.verdict])
        if len(parts) > 1:
            lines.append(["", "**all**", "", "", "", f"**{whole}**"])
    return markdown(["claim", "column", "target", "difference", "p (Holm)", "verdict"], lines)


def _difference(test: Comparison) -> str:
    """Return the difference with its interval, where there is one: not from single seeds."""
    return f"{test.difference:+.1f}" + ("" if math.isnan(test.half) else f" ± {test.half:.1f}")


def _validation_table(runs: Sequence[BenchRun]) -> str:
    """Return the mean over seeds of each row at its end."""
    names = list(on_the_way(runs[0]))
    lines = []
    for row in dict.fromkeys(run.row for run in sorted(runs, key=lambda run: (run.images_seen, run.row))):
        own = [run for run in runs if run.row == row]
        values = [on_the_way(run) for run in own]
        seconds = [run.processor_seconds for run in own if run.processor_seconds is not None]
        lines.append(
            [row, str(len(own)), f"{own[0].images_seen:,}", f"{fmean(seconds):,.0f}" if seconds else "-"]
            + [f"{fmean(each[name] for each in values):.1f}" if name in values[0] else "-" for name in names]
        )
    return markdown(["row", "seeds", "images seen", "core-s", *names], lines)


def _curves(runs: Sequence[BenchRun]) -> str:
    """Return the mean over seeds of each row after each evaluation on the way, column by column."""
    steps = sorted(set.intersection(*(set(run.validation) for run in runs)))
    rows = list(dict.fromkeys(run.row for run in runs))
    lines = []
    for name in HEADLINES:
        for row in rows:
            own = [run for run in runs if run.row == row]
            means = [fmean(on_the_way(run, step)[name] for run in own) for step in steps]
            lines.append([name if row == rows[0] else "", f"({row})", *(f"{mean:.1f}" for mean in means)])
    return markdown(["after so many steps", "", *map(str, steps)], lines)


def on_the_way(run: BenchRun, step: int | None = None) -> dict[str, float]:
    """Return the scores of a run after a step, in points, by the headings of the tables; by default at its end."""
    at = run.validation[max(run.validation) if step is None else step]
    scoring = run.recipe["scoring"]
    return {
        heading: 100 * at[scoring][column.task][column.metric]
        for heading, column in columns().items()
        if column.metric in at[scoring].get(column.task, {})
    }


def _unequal_times(plan: Plan, scores: Scores) -> list[str]:
    """Return a line for each row that did not take the processor time that it should have."""
    lines = []
    for name, group in plan.groups.items():
        wanted = [run.processor_seconds for run in scores.in_group("images") if run.row == group.as_long_as]
        for row in group.rows if group.as_long_as and wanted else ():
            took = [run.processor_seconds for run in scores.in_group(name) if run.row == row]
            ratio = fmean(map(float, filter(None, took))) / fmean(map(float, filter(None, wanted))) if took else 1.0
            if abs(ratio - 1) > TIME_TOLERANCE:
                lines.append(f"{name}/{row} took {ratio:.2f} times the processor time of ({group.as_long_as}).  ")
    return lines


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, ["---"] * len(header), *rows))


if __name__ == "__main__":
    raise SystemExit(main())
