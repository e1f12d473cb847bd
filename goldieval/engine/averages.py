"""The averages of suites at the end of a run, and its results with averages and records of tasks apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from goldieval.core.errors import GoldievalError
from goldieval.engine.shards import WHOLE, Shard
from goldieval.records.averages import averages_of
from goldieval.records.files import read_record, record_path
from goldieval.records.results import Entry, Results
from goldieval.records.schema import Record
from goldieval.tasks.averages import Average
from goldieval.tasks.card import Task


def averages_of_run(
    records: Sequence[Record], averages: Sequence[Average], tasks: Mapping[str, Task], out: Path | None, part: Shard
) -> list[Record]:
    """Return the averages of the selected suites; none if this job runs only a part of the tasks.

    Args:
        records: records of one model, of this run.
        averages: averages of the selected suites, and those of which all tasks were selected.
        tasks: all tasks by name.
        out: folder of the records and outcomes; None if none were written.
        part: the part of the tasks that this job runs.
    """
    if part != WHOLE:
        return []
    entries = [_entry(out, record) for record in records]
    return [entry.record for entry in averages_of(entries, averages, tasks)]


def _entry(out: Path | None, record: Record) -> Entry:
    """Return a record as it was written, which names the file of its outcomes; as it is, if it was not written."""
    if out is None:
        return Entry(Path(), record)
    file = record_path(out, record)
    if record.status == "failed":
        return Entry(file, record)
    try:
        return Entry(file, read_record(file))
    except GoldievalError:  # replaced or removed meanwhile; scores of the same images then count as dependent
        return Entry(file, record)


def results_of(records: Sequence[Record], models_failed: Mapping[str, str] = MappingProxyType({})) -> Results:
    """Return the records of tasks, with the averages among them apart."""
    of_tasks = [record for record in records if not record.is_average]
    averages = [record for record in records if record.is_average]
    return Results(of_tasks, models_failed=models_failed, averages=lambda: averages)
