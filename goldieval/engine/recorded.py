"""Whether a results folder already has the records of a run of one checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from goldieval.core.containment import contained
from goldieval.core.errors import TaskError
from goldieval.data.roots import data_root
from goldieval.engine.options import Options
from goldieval.records.results import read_records
from goldieval.records.schema import Record
from goldieval.tasks.card import Task
from goldieval.tasks.catalogue import Catalogue


class RecordedRuns:
    """The records of earlier runs with the same settings."""

    def __init__(self, options: Options, names: Sequence[str]) -> None:
        """Read the records of a results folder.

        Args:
            options: settings of the run.
            names: names of its tasks.
        """
        self._options, self._names = options, list(names)
        self._catalogue, self._root = Catalogue(options.tasks_dir), data_root(options.data_dir)
        self._by_spec: dict[str, list[Record]] = {}
        if options.out is not None and options.out.is_dir():
            for entry in read_records([options.out]).entries:
                self._by_spec.setdefault(entry.record.model.spec, []).append(entry.record)

    def has(self, spec: str, changed: float) -> bool:
        """Return whether every task that can run has a record that is newer than the checkpoint.

        Args:
            spec: spec of the checkpoint.
            changed: time of the checkpoint's last change, in seconds since the epoch.
        """
        records = [record for record in self._by_spec.get(spec, []) if self._serves(record, changed)]
        if not records:
            return False
        selection = self._catalogue.select(self._names, records[0].model.home)
        needed = [task for task in selection.tasks if task.name in selection.by_name or self._has_data(task)]
        overrides = {key: value for key, value in self._options.overrides.items() if key != "scoring"}
        found = {(record.task.name, record.task.card_sha256) for record in records}
        return all((task.name, task.override(overrides).hash) in found for task in needed)

    def _serves(self, record: Record, changed: float) -> bool:
        """Return whether a record is of the requested settings, complete, and newer than the checkpoint."""
        options, task = self._options, record.task
        whole = task.limit is None and record.data.seen.get("images", 0) <= (options.limit or 0)
        scoring = options.scoring or str(options.overrides.get("scoring") or "")
        return (
            record.status != "failed"
            and datetime.fromisoformat(record.run.started).timestamp() >= changed
            and record.model.precision == options.precision
            and (task.limit == options.limit or whole)
            and task.subset in ("", options.subset)
            and (task.scoring == scoring if scoring else "scoring" not in record.run.command)
        )

    def _has_data(self, task: Task) -> bool:
        """Return whether the data of a task are on this machine; a suite leaves out those that are not."""
        source = task.card.source
        try:
            with contained("looking for its data"):
                folder = task.folder(self._root)
                return not source.on_disk or (folder.is_dir() and not source.missing(folder))
        except TaskError:
            return False
