"""Rows of published models in a panel: the numbers whose protocol is that of the column."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, replace

from goldieval.report.grid import Cell, Grid, GridRow
from goldieval.report.score import Score
from goldieval.report.settings import Setting, scoring_name
from goldieval.report.table_sources import TableSources
from goldieval.report.table_spec import Column
from goldieval.report.task_sizes import IMAGES

OTHER_COLUMN = "not comparable with the rest of this column"


@dataclass(frozen=True)
class PublishedRows:
    """The rows of published models.

    Attributes:
        grid: the table, which takes footnotes and faults.
        sources: everything that it may show.
        columns: columns of the panel.
        mains: main setting of each column.
        allow: whether different settings may share a column.
    """

    grid: Grid
    sources: TableSources
    columns: Sequence[Column]
    mains: Sequence[Setting | None]
    allow: bool

    def row(self, name: str) -> GridRow | None:
        """Return the row of a published model; None where it has no number in any column, or where there is none."""
        if fault := self.sources.published.check_model(name):
            line = f"table {self.grid.name}: {fault}"
            if line not in self.grid.faults:
                self.grid.faults.append(line)
            return None
        cells = [self._cell(name, column, main) for column, main in zip(self.columns, self.mains, strict=True)]
        return GridRow(name, "published", cells) if any(cell.score for cell in cells) else None

    def _cell(self, name: str, column: Column, main: Setting | None) -> Cell:
        published, scoring = self.sources.published, main.scoring if main else ""
        scores_of_model = published.find(name, column.task, column.metric)
        protocol = column.protocol or published.usual_protocol(column.task, column.metric, scoring)
        scoring = scoring or published.usual_scoring(column.task, column.metric, protocol)
        same = [score for score in scores_of_model if score.protocol == protocol]
        allowed = [score for score in scores_of_model if score.protocol in column.allow or self.allow]
        unread = [
            score
            for task in column.unread
            for score in self.sources.published.find(name, task, column.metric)
            if score.value is None
        ]
        for scores, comparable in ((same, True), (allowed, False), (unread, False)):
            if scores:
                return self._scored(scores, comparable and scores[0].value is not None, column, scoring)
        return Cell()

    def _scored(self, scores: Sequence[Score], comparable: bool, column: Column, scoring: str) -> Cell:
        score = scores[0]
        other_scoring = comparable and bool(score.scoring) and not fnmatch.fnmatchcase(scoring, score.scoring)
        notes = [self.grid.footnote(score.note)] if score.note else []
        if not comparable and score.value is not None and not score.note:
            notes.append(self.grid.footnote(f"{score.protocol}: {OTHER_COLUMN}"))
        if other_scoring:
            notes.append(self.grid.footnote(f"{scoring_name(score.scoring)}: {OTHER_COLUMN}"))
        if score.grade in ("secondary", "issue"):
            notes.append(self.grid.footnote(f"secondary source: {score.source}"))
        n = self.sources.expected(column) if score.value is not None else None
        counted = self.sources.counted(column)
        sized = replace(score, n=n, counted="" if counted == IMAGES else counted)
        return Cell(sized, comparable and not other_scoring, notes=notes)
