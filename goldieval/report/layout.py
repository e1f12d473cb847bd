"""Layout of a table: from its specification and the available scores to a grid of cells."""

from __future__ import annotations

from collections.abc import Sequence

from goldieval.core.errors import GoldievalError, did_you_mean
from goldieval.report.grid import Cell, Grid, GridPanel
from goldieval.report.highlighting import highlight
from goldieval.report.panel_rows import PanelRows
from goldieval.report.references import set_references
from goldieval.report.studies import study_panel
from goldieval.report.table_sources import TableSources
from goldieval.report.table_spec import Column, Panel, TableSpec
from goldieval.tasks.averages import METRIC


def lay_out(spec: TableSpec, sources: TableSources, allow: bool = False) -> Grid:
    """Lay out a table.

    Args:
        spec: specification of the table.
        sources: everything that it may show.
        allow: whether different settings may share a column, with a footnote and without marks.

    Raises:
        GoldievalError: the specification mixes tasks of the built-in world with others.
    """
    grid = Grid(spec.table, spec.title, spec.digits, spec.intervals, [], notes=list(spec.notes))
    for panel in spec.panels:
        columns = _columns(spec, panel, sources, grid)
        _check_worlds(spec, columns, sources)
        if columns and panel.study:
            runs, protocols = (
                sources.runs.get(panel.study.folder, []),
                [sources.protocol(each.task) for each in columns],
            )
            grid.panels.append(study_panel(panel.title, panel.study, columns, runs, grid, protocols))
        elif columns:
            groups = panel.groups or spec.groups
            grid.panels += PanelRows(grid, sources, columns, spec, allow).panels(panel.title, groups)
    for each in grid.panels:
        _set_differences(grid, each, spec.delta)
        grid.faults += highlight(each, spec.marks)
        set_references(each, sources, spec.digits)
        if not each.mdd:
            _set_footer(each)
    grid.panels = [panel for panel in grid.panels if any(True for _ in panel.rows)]
    return grid


def _columns(spec: TableSpec, panel: Panel, sources: TableSources, grid: Grid) -> list[Column]:
    if panel.columns == "records":
        shown = [record.task for _, record in sources.records if record.metrics or not record.is_average]
        headlines = sorted({(task.name, task.headline) for task in shown})  # of versions of a task there may be two
        return [
            Column(task=task, metric=metric) for task, metric in headlines if sources.made_here(task) == spec.made_here
        ]
    valid = []
    for column in panel.columns:
        if fault := _fault(column, sources):
            grid.faults.append(f"table {spec.table}: {fault}")
        else:
            valid.append(column)
    return valid + _averages(valid, sources)


def _averages(columns: Sequence[Column], sources: TableSources) -> list[Column]:
    """Return a column for each average that was computed and whose tasks all have a column."""
    tasks = {column.task for column in columns}
    found = {record.task.name for _, record in sources.records if record.is_average and record.metrics}
    return [
        Column(task=name, metric=METRIC)
        for name in sorted(found - tasks)
        if name in sources.averages and tasks.issuperset(sources.averages[name].tasks)
    ]


def _fault(column: Column, sources: TableSources) -> str:
    """Return what is wrong with a column; empty where nothing is."""
    published, task, metric = sources.published, column.task, column.metric
    measured = {(record.task.name, name) for _, record in sources.records for name in record.metrics}
    known = {*sources.tasks, *sources.averages, *published.tasks}
    if task not in known and not any(task == name for name, _ in measured):
        if any(unread in published.tasks for unread in column.unread):
            return ""
        return f"no task {task!r} for a column.{did_you_mean(task, known)}"
    metrics = list(sources.tasks[task].card.metrics()) if task in sources.tasks else []
    metrics += [METRIC] if task in sources.averages else []
    metrics += [name for other, name in published.columns | measured if other == task]
    return "" if metric in metrics else f"task {task} has no metric {metric!r}.{did_you_mean(metric, metrics)}"


def _check_worlds(spec: TableSpec, columns: Sequence[Column], sources: TableSources) -> None:
    """Raise GoldievalError if the table mixes tasks of the built-in world with others."""
    for column in columns:
        known = column.task in sources.tasks or column.task in sources.averages
        if known and sources.made_here(column.task) != spec.made_here:
            must = "made_here: true, and no other tasks" if not spec.made_here else "tasks of the built-in world only"
            raise GoldievalError(
                f"table {spec.table}: {column.task}: drawn scenes are never shown with real data; it needs {must}."
            )


def _set_differences(grid: Grid, panel: GridPanel, baseline: str) -> None:
    """Set the difference of every comparable cell from the baseline row."""
    base = next((row for row in panel.rows if row.name == baseline), None)
    if not baseline or base is None:
        return
    for row in panel.rows:
        for cell, zero in zip(row.cells, base.cells, strict=True):
            if row is not base and cell.comparable and zero.comparable and _both_have_values(cell, zero):
                cell.delta = cell.score.value - zero.score.value  # type: ignore[union-attr,operator]


def _both_have_values(cell: Cell, other: Cell) -> bool:
    return all(one.score is not None and one.score.value is not None for one in (cell, other))


def _set_footer(panel: GridPanel) -> None:
    """Set n and the minimum detectable difference of each column: the largest one of the measured models."""
    for place in range(len(panel.columns)):
        scores = [cell.score for cell in panel.column(place) if cell.score and cell.score.value is not None]
        measured = [score for score in scores if score.kind == "ours" and score.n]
        counts = sorted({(score.n, score.size) for score in measured or scores if score.n})
        panel.n.append("/".join(text for _, text in counts))
        widths = [
            width
            for score in measured or scores
            if not score.unreliable and (width := score.minimum_detectable_difference)
        ]
        panel.mdd.append(max(widths) if widths else None)
