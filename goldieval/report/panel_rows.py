"""The rows of one panel; measurements under another setting are moved to panels of their own."""

from __future__ import annotations

import fnmatch
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from goldieval.core.text import natural_order
from goldieval.records.schema import Record
from goldieval.report.grid import Cell, Grid, GridPanel, GridRow, RowGroup
from goldieval.report.numbers import label, value
from goldieval.report.published_rows import OTHER_COLUMN, PublishedRows
from goldieval.report.score import Kind, Score, display_name, of_record
from goldieval.report.seeds import fold_seeds
from goldieval.report.settings import Setting, main_setting, setting_of
from goldieval.report.table_sources import TableSources
from goldieval.report.table_spec import Column, Group, TableSpec


@dataclass
class PanelRows:
    """The rows of one panel of the specification: a main panel, and another for each other setting of records.

    Attributes:
        grid: the table, which takes footnotes and faults.
        sources: everything that it may show.
        columns: columns of the panel.
        spec: specification of the table.
        allow: whether different settings may share a column.
        other_settings: rows of other settings, by setting and then by model.
    """

    grid: Grid
    sources: TableSources
    columns: list[Column]
    spec: TableSpec
    allow: bool
    other_settings: dict[str, dict[tuple[str, str], GridRow]] = field(default_factory=lambda: defaultdict(dict))

    def panels(self, title: str, groups: Sequence[Group]) -> list[GridPanel]:
        mains = [self._main(column) for column in self.columns]
        apart = any(group.imported for group in groups)
        laid_out = [RowGroup(group.title, self._rows(group, mains, apart)) for group in groups]
        whole = [self._panel(title, [group for group in laid_out if group.rows])]
        for setting, rows in sorted(self.other_settings.items()):
            name = f"{title}: {setting}" if title else setting
            group = RowGroup("", fold_seeds(list(rows.values()), self.spec.seeds, self.grid))
            whole.append(_without_empty_columns(self._panel(name, [group])))
        return whole

    def _panel(self, title: str, groups: list[RowGroup]) -> GridPanel:
        labels = [column.label or f"{column.task} {label(column.metric)}" for column in self.columns]
        return GridPanel(title, labels, [column.metric for column in self.columns], groups)

    def _main(self, column: Column) -> Setting | None:
        records = [record for _, record in self.sources.records if record.task.name == column.task]
        of_task = [record for record in records if column.metric in record.metrics]
        fits = [setting_of(record) for record in of_task if fnmatch.fnmatchcase(record.task.scoring, column.scoring)]
        return main_setting(fits, self.sources.protocol(column.task), self.sources.version(column.task))

    def _rows(self, group: Group, mains: Sequence[Setting | None], apart: bool) -> list[GridRow]:
        """Return the rows of a group.

        Args:
            group: the group.
            mains: main setting of each column.
            apart: whether records of other programs stand in the groups of imported models, not in those of records.
        """
        published = PublishedRows(self.grid, self.sources, self.columns, mains, self.allow)
        rows = [row for name in group.published if (row := published.row(name))]
        others = [kept for kept in self.sources.records if kept[1].model.is_imported] if apart else []
        own = [kept for kept in self.sources.records if not (apart and kept[1].model.is_imported)]
        rows += fold_seeds(self._records(group.records, own, mains), self.spec.seeds, self.grid)
        rows += self._records(group.imported, others, mains)
        return rows + self._imported(group.imported)

    def _records(
        self, patterns: Sequence[str], records: Sequence[tuple[Path, Record]], mains: Sequence[Setting | None]
    ) -> list[GridRow]:
        rows: dict[tuple[str, str], GridRow] = {}
        chosen = [(file, record) for file, record in records if _matches(record, patterns)]
        by_task: dict[str, list[tuple[Path, Record]]] = defaultdict(list)
        for file, record in chosen:
            by_task[record.task.name].append((file, record))
        for place, (column, main) in enumerate(zip(self.columns, mains, strict=True)):
            for file, record in by_task[column.task]:
                if self._belongs_to_another_column(column, record):
                    continue
                if score := of_record(record, column.metric, file) or self._of_older_version(column, record, file):
                    self._add(rows, score, record, place, main)
        return sorted(rows.values(), key=lambda row: natural_order(row.name))

    def _of_older_version(self, column: Column, record: Record, file: Path) -> Score | None:
        """Return a score without a value for a model that has only records from before the headline of its task."""
        version = self.sources.version(column.task)
        if record.task.version >= version or column.metric != self.sources.tasks[column.task].card.headline:
            return None
        model = record.model.fingerprint
        of_model = (other.task for _, other in self.sources.records if other.model.fingerprint == model)
        if any((task.name, task.version) == (column.task, version) for task in of_model):
            return None
        old = record.task.headline
        number = f": {label(old)} {value(old, record.headline.value)}" if record.headline else ""
        note = f"version {record.task.version} of the task, without {label(column.metric)}{number}"
        kind: Kind = "imported" if record.model.is_imported else "ours"
        return Score(display_name(record), kind, column.task, column.metric, None, note=note, file=file, record=record)

    def _belongs_to_another_column(self, column: Column, record: Record) -> bool:
        """Return whether the scoring mode of a record belongs to another column of the table and not to this one."""
        if record.status == "failed" or fnmatch.fnmatchcase(record.task.scoring, column.scoring):
            return False
        others = [other for panel in self.spec.panels if panel.columns != "records" for other in panel.columns]
        return any(
            isinstance(other, Column)
            and (other.task, other.metric) == (column.task, column.metric)
            and fnmatch.fnmatchcase(record.task.scoring, other.scoring)
            for other in others
        )

    def _add(
        self, rows: dict[tuple[str, str], GridRow], score: Score, record: Record, place: int, main: Setting | None
    ) -> None:
        setting = setting_of(record)
        # If no record has the scoring mode of the column, a record is described by its whole setting.
        parts = setting.differences(main) if main else [*setting.restrictions(), f"{setting.scoring} scoring"]
        differs = "" if score.value is None else ", ".join(parts)
        target = rows if self.allow or not differs else self.other_settings[differs]
        cell = Cell(score, comparable=not (differs and self.allow) and score.value is not None)
        if differs and self.allow:
            cell.notes.append(self.grid.footnote(f"{differs}: {OTHER_COLUMN}"))
        if score.note:
            cell.notes.append(self.grid.footnote(score.note))
        if record.model.is_imported:
            cell.notes.append(self.grid.footnote(record.model.notice))
        name = self._name(record)
        key = (record.model.fingerprint + record.model.precision, name)
        row = target.setdefault(key, GridRow(name, score.kind, [Cell() for _ in self.columns]))
        if row.cells[place].score is not None and differs:  # --allow, and the model has the column's own setting too
            full_name = f"{name}, {differs}"
            row = target.setdefault((key[0], full_name), GridRow(full_name, score.kind, [Cell() for _ in self.columns]))
        row.cells[place] = cell

    @cached_property
    def _same_name(self) -> dict[str, set[tuple[str, int | None]]]:
        """Return the models, as fingerprint and seed, that share each name."""
        models: dict[str, set[tuple[str, int | None]]] = defaultdict(set)
        for _, record in self.sources.records:
            models[display_name(record)].add((record.model.fingerprint, record.model.seed))
        return models

    def _name(self, record: Record) -> str:
        """Return a name that is unique among the models of this table."""
        name, model = display_name(record), record.model
        same = self._same_name[name]
        folded = self.spec.seeds == "mean" and model.recipe and model.seed is not None
        if len(same) == 1 or folded:
            return name
        by_seed = model.seed is not None and sum(seed == model.seed for _, seed in same) == 1
        return f"{name}, seed {model.seed}" if by_seed else f"{name} [{model.fingerprint[:8]}]"

    def _imported(self, patterns: Sequence[str]) -> list[GridRow]:
        rows: dict[str, GridRow] = {}
        for place, column in enumerate(self.columns):
            for score in self.sources.imported:
                selected = any(fnmatch.fnmatchcase(score.model, pattern) for pattern in patterns)
                if selected and (score.task, score.metric) == (column.task, column.metric):
                    row = rows.setdefault(score.model, GridRow(score.model, "imported", [Cell() for _ in self.columns]))
                    row.cells[place] = Cell(score, comparable=False, notes=[self.grid.footnote(score.note)])
        return sorted(rows.values(), key=lambda row: natural_order(row.name))


def _matches(record: Record, patterns: Iterable[str]) -> bool:
    names = (display_name(record), record.model.spec, record.model.recipe, record.model.fingerprint)
    return any(
        fnmatch.fnmatchcase(name, pattern) or (len(pattern) >= 6 and record.model.fingerprint.startswith(pattern))
        for pattern in patterns
        for name in names
    )


def _without_empty_columns(panel: GridPanel) -> GridPanel:
    kept = [place for place in range(len(panel.columns)) if any(cell.score for cell in panel.column(place))]
    for row in panel.rows:
        row.cells = [row.cells[place] for place in kept]
    columns, metrics = [panel.columns[place] for place in kept], [panel.metrics[place] for place in kept]
    return GridPanel(panel.title, columns, metrics, panel.groups)
