"""The field in a terminal, and all of its numbers as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from goldieval.core.text import formula_safe, one_line
from goldieval.metrics.registry import metric_of
from goldieval.report.columns import Columns
from goldieval.report.field.collected import Field
from goldieval.report.field.page import Line, overview
from goldieval.report.short_names import shortened

HEADINGS = ("set", "best model", "score", "interval", "not told from it")
SHORTEST = 16
LEGEND = (
    "Intervals of published and imported numbers follow from the number of samples alone. The last column: models "
    "whose difference from the best is no more than chance, at 5 % divided by the number of rivals, as if each model "
    "had samples of its own; training seeds are not in it. --html FILE writes a page with all numbers and filters."
)
CSV_COLUMNS = (
    "task", "metric", "model", "architecture", "trained_on", "unique_pairs", "kind", "value", "unit", "low", "high",
    "n", "compared", "protocol", "source", "grade", "note",
)  # fmt: skip


def table_of_leaders(field: Field, width: int) -> Columns:
    """Return who leads each set, for the width of a terminal; names are cut where they do not fit."""
    lines = list(overview(field.columns))
    for names, titles in ((60, 60), (34, 40), (26, 30), (20, 24), (SHORTEST, SHORTEST)):
        table = _table(lines, names, titles)
        if table.width <= width:
            break
    return table


def _table(lines: Sequence[Line], names: int, titles: int) -> Columns:
    models = shortened([line.leader for line in lines], names)
    sets = shortened([line.title for line in lines], titles)
    table, group = Columns(HEADINGS, left=2), ""
    for line in lines:
        if line.group != group:
            group = line.group
            table.add_row((group, "", "", "", ""), bold=1)
        table.add_row((sets[line.title], models[line.leader], line.score, line.ends, line.same))
    return table


def to_csv(field: Field) -> str:
    """Return every number as CSV; fractions have all their digits."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for column in field.columns:
        for each in column.numbers:
            model, score = each.model, each.score
            cells = (
                column.task, column.metric, model.name, model.architecture, model.trained_on, model.pairs, score.kind,
                each.value, metric_of(column.metric).unit.stored_as, each.low, each.high, score.n or column.n,
                each.compared, score.protocol, score.source, score.grade, score.note,
            )  # fmt: skip
            writer.writerow([_cell(cell) for cell in cells])
    return stream.getvalue()


def _cell(cell: object) -> object:
    """Return a cell that no spreadsheet takes for a formula; fractions without the error of binary ones."""
    if isinstance(cell, bool):
        return int(cell)
    return (
        formula_safe(one_line(cell)) if isinstance(cell, str) else round(cell, 10) if isinstance(cell, float) else cell
    )
