"""The records of several places, for a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from goldieval.records.results import read_records
from goldieval.records.schema import Record


@dataclass
class Collected:
    """Records and errors.

    Attributes:
        records: records with their files.
        faults: one line for each file that could not be read.
    """

    records: list[tuple[Path, Record]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def collect(places: Iterable[Path], missing_ok: bool = False) -> Collected:
    """Read every record in files and folders; of several records of one model, task and setting the latest is kept.

    Args:
        places: files and folders.
        missing_ok: whether a place that does not exist is ignored.

    Raises:
        GoldievalError: a place does not exist.
    """
    records = read_records(place for place in places if not missing_ok or place.exists())
    collected = Collected([(entry.file, entry.record) for entry in records.entries], records.faults)
    latest: dict[tuple[str, str, str], tuple[Path, Record]] = {}
    for file, record in sorted(collected.records, key=lambda one: one[1].run.started):
        latest[record.model.fingerprint + record.model.spec, record.setting, record.key] = file, record
    collected.records = _without_old_failures(list(latest.values()))
    return collected


def _without_old_failures(records: list[tuple[Path, Record]]) -> list[tuple[Path, Record]]:
    done = {(record.model.fingerprint, record.setting) for _, record in records if record.status != "failed"}
    return [
        (file, record)
        for file, record in records
        if record.status != "failed" or (record.model.fingerprint, record.setting) not in done
    ]
