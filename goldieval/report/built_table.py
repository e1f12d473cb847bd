"""A table with its sources, from the files on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from goldieval.core.errors import GoldievalError
from goldieval.core.text import shell_argument
from goldieval.records.averages import averages_of
from goldieval.records.results import Entry
from goldieval.report.collect import collect
from goldieval.report.column_choice import choose_columns
from goldieval.report.grid import Grid
from goldieval.report.imports import read_imports
from goldieval.report.layout import lay_out
from goldieval.report.plot_choice import PlotChoice
from goldieval.report.published import load_published
from goldieval.report.score import display_name
from goldieval.report.study_runs import Run, read_runs, study_folder
from goldieval.report.table_sources import TableSources
from goldieval.report.table_spec import Column, Study, TableSpec, load_spec
from goldieval.tasks.catalogue import Catalogue

RESULTS = [Path("results")]


@dataclass(frozen=True)
class BuiltTable:
    """A table with its specification and its sources.

    Attributes:
        spec: the specification.
        sources: everything that it may show.
        grid: the table.
    """

    spec: TableSpec
    sources: TableSources
    grid: Grid


def build_table(
    spec: str | TableSpec,
    results: Sequence[Path] = RESULTS,
    imports: Sequence[Path] = (),
    tasks_dir: Path | None = None,
    allow: bool = False,
    delta: str | None = None,
    digits: int | None = None,
    columns: str = "",
    plot: PlotChoice = PlotChoice(),
) -> BuiltTable:
    """Read records, published numbers and imports, and lay out a table; nothing is measured.

    Args:
        spec: specification, or the name or the file of one.
        results: folders and files of records.
        imports: results of other harnesses.
        tasks_dir: folder of the user's task cards.
        allow: whether different settings may share a column.
        delta: row from which differences are shown, instead of the specification's.
        digits: digits behind the point of a percentage, instead of the specification's.
        plot: the column, labels and training data of the plot, instead of the specification's.
        columns: globs over headings, metrics or tasks of the columns to show, separated by commas; empty for all.

    Raises:
        GoldievalError: the table does not exist, its specification is invalid, or a place does not exist.
    """
    loaded = load_spec(spec) if isinstance(spec, str) else spec
    changes = {name: value for name, value in (("delta", delta), ("digits", digits)) if value is not None}
    loaded = loaded.model_copy(update=changes)
    sources, faults = sources_of(results, imports, tasks_dir)
    add_averages(sources, [each for panel in loaded.panels for each in panel.columns if isinstance(each, Column)])
    loaded = plot.applied(loaded, sources)
    grid = _laid_out(loaded, sources, allow, list(results))
    grid.faults[:0] = faults
    names = [row.name for panel in grid.panels for row in panel.rows]
    if delta and delta not in names:
        raise GoldievalError(f"--delta {delta!r}: no such row. There are {', '.join(map(repr, names[:8]))}.")
    if columns:
        choose_columns(grid, columns)
    grid.hints += _hints(loaded, sources, grid, results, tasks_dir)
    return BuiltTable(loaded, sources, grid)


def sources_of(
    results: Sequence[Path] = RESULTS, imports: Sequence[Path] = (), tasks_dir: Path | None = None
) -> tuple[TableSources, list[str]]:
    """Read records, published numbers, cards and imports; return them, and one line for each file that was left out.

    Args:
        results: folders and files of records.
        imports: results of other harnesses.
        tasks_dir: folder of the user's task cards.

    Raises:
        GoldievalError: a place does not exist, or a file has none of the formats.
    """
    collected = collect(results, missing_ok=list(results) == RESULTS)
    imported = read_imports(imports)
    catalogue = Catalogue(tasks_dir)
    sources = TableSources(
        load_published(), catalogue.tasks, collected.records, imported.scores, averages=catalogue.averages
    )
    return sources, [*collected.faults, *imported.faults, *catalogue.faults]


def add_averages(sources: TableSources, columns: Iterable[Column] = ()) -> None:
    """Add the averages over the records; refused ones where a column asks for them, or they lack only a few."""
    tasks = {column.task for column in columns}
    entries = [Entry(file, record) for file, record in sources.records]
    wanted = [average for name, average in sources.averages.items() if name in tasks]
    others = [average for name, average in sources.averages.items() if name not in tasks]
    found = averages_of(entries, wanted, sources.tasks) + averages_of(entries, others, sources.tasks, likely=True)
    sources.records += [(entry.file, entry.record) for entry in found]


def _studies(spec: TableSpec) -> list[Study]:
    """Return the studies of a table, one of each folder: that of its first panel."""
    found: dict[str, Study] = {}
    for panel in spec.panels:
        if panel.study:
            found.setdefault(panel.study.folder, panel.study)
    return list(found.values())


def _laid_out(spec: TableSpec, sources: TableSources, allow: bool, results: list[Path]) -> Grid:
    """Lay out a table with the runs of its studies, whose records are added to the others for page and plot."""
    faults, hints = [], []
    for study in _studies(spec):
        folder = study_folder(study.folder, results, shipped=results == RESULTS)
        if folder is None:
            places = ", ".join(str(place / study.folder) for place in results)
            hints.append(f"no runs of this study in {places}. To make them, in a checkout: {study.command}")
            continue
        sources.runs[study.folder], unread = read_runs(folder, Run)
        faults += unread
    grid = lay_out(spec, sources, allow)
    grid.faults[:0] = faults
    grid.hints += hints
    sources.records += [
        (file, record) for runs in sources.runs.values() for file, run in runs for record in run.records
    ]
    return grid


def _hints(
    spec: TableSpec, sources: TableSources, grid: Grid, results: Sequence[Path], tasks_dir: Path | None
) -> list[str]:
    """Return the command that makes the records of this table, where there are none; and averages that it lacks."""
    refused = _refused(spec, sources)
    if refused or any(row.kind != "published" for panel in grid.panels for row in panel.rows):
        return refused
    all_drawn = bool(sources.records) and all(sources.made_here(record.task.name) for _, record in sources.records)
    if all_drawn and any(panel.columns == "records" for panel in spec.panels):
        return ["all records are of drawn scenes, which have a table of their own: goldieval table shapes"]
    columns = [column.task for panel in spec.panels for column in panel.columns if isinstance(column, Column)]
    members = [sources.averages[name].tasks if name in sources.averages else [name] for name in columns]
    tasks = list(dict.fromkeys(task for of_column in members for task in of_column if task in sources.tasks))
    if not tasks and all(isinstance(panel.columns, list) for panel in spec.panels):
        return []
    model = "goldiclip" if spec.made_here else "MODEL"
    names = ",".join(tasks) or "retrieval,zeroshot"
    options = f" --tasks-dir {shell_argument(str(tasks_dir))}" if tasks_dir else ""
    options += f" --out {shell_argument(str(results[0]))}" if results and list(results) != RESULTS else ""
    return [f"no records for this table. To make them: goldieval run --model {model} --tasks {names}{options}"]


def _refused(spec: TableSpec, sources: TableSources) -> list[str]:
    """Return a line for each average of a model that would be a column if it had all of its members."""
    columns = {column.task for panel in spec.panels for column in panel.columns if isinstance(column, Column)}
    all_records = any(panel.columns == "records" for panel in spec.panels)
    averages = [record for _, record in sources.records if record.is_average]
    without_column = {record.task.name for record in averages} - columns
    without_column -= {record.task.name for record in averages if record.metrics}
    return [
        f"{record.task.name} of {display_name(record)} refused: {record.reason}"
        for record in averages
        if record.task.name in without_column
        and sources.made_here(record.task.name) == spec.made_here
        and (all_records or columns.issuperset(sources.averages[record.task.name].tasks))
    ]
