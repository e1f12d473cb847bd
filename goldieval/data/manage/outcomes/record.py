"""Outcomes of another program as a record of a task: measured by our metrics, and marked as not a run of ours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType

from goldieval.core.containment import contained
from goldieval.core.environment import versions
from goldieval.core.errors import GoldievalError
from goldieval.core.limits import TEXT_BYTES
from goldieval.core.reading import read_bytes
from goldieval.data.manage.outcomes.choices import choices_of_table
from goldieval.data.manage.outcomes.classes import classes_of_table
from goldieval.data.manage.outcomes.imported import Imported
from goldieval.data.roots import data_root
from goldieval.engine.command import command_line
from goldieval.models.adapter import ModelInfo
from goldieval.records.files import read_record, record_path
from goldieval.records.keys import record_key, setting_key
from goldieval.records.schema import IMPORTED, DataPart, ModelPart, Record, RunPart, TaskPart
from goldieval.records.writing import write_record
from goldieval.tasks.card import Task
from goldieval.tasks.catalogue import Catalogue

READERS: dict[str, Callable[[Task, Path, Path, Mapping[str, str]], Imported]] = {
    "choice": choices_of_table,
    "zeroshot": classes_of_table,
}
"""How a table is read, by the family of the task."""


def import_outcomes(
    file: str | Path,
    task: str,
    model: str,
    *,
    columns: Mapping[str, str] = MappingProxyType({}),
    out: str | Path | None = "results",
    data_dir: str | Path | None = None,
    tasks_dir: str | Path | None = None,
) -> Record:
    """Import the per-sample outcomes of another program as a record, on which ``show``, ``compare`` and ``table`` work.

    Args:
        file: table with one row per item of the task: CSV, TSV, JSON or JSON Lines.
        task: name of the task, or path of a card; its family is one of ``READERS``.
        model: name of the model. Its spec is ``imported:`` with that name.
        columns: column by role, in place of the usual names; see ``docs/records.md``.
        out: folder for the record; None writes nothing.
        data_dir: folder of the data, in which the task's annotations are looked for.
        tasks_dir: folder of the user's task cards.

    Raises:
        GoldievalError: the table is invalid, does not fit the task, or other outcomes have that name already.
    """
    file, name = Path(file), model.strip().removeprefix(f"{IMPORTED}:")
    if not name or not name.isprintable():
        raise GoldievalError(f"--model {model!r}: give the model a name in printable characters.")
    chosen = _task(task, Path(tasks_dir) if tasks_dir else None)
    read = READERS.get(chosen.card.family)
    if read is None:
        what = f"this is {chosen.card.family}; outcomes of {' and '.join(READERS)} can be imported"
        raise GoldievalError(f"{chosen.name}: {what}.")
    digest = _digest(file)
    folder = chosen.folder(data_root(Path(data_dir) if data_dir else None))
    with contained(f"reading {file}"):
        found = read(chosen, folder, file, columns)
    record = _record(chosen, found, _info(name, file, digest), f"{file.name} sha256:{digest}")
    if out is not None:
        _refuse_others(Path(out), record)
        write_record(Path(out), record, found.outcomes)
    return record


def _task(name: str, tasks_dir: Path | None) -> Task:
    selection = Catalogue(tasks_dir).select([name])
    if selection.errors:
        raise GoldievalError(next(iter(selection.errors.values())))
    if len(selection.tasks) != 1:
        raise GoldievalError(f"--task {name}: name one task; this is {len(selection.tasks)}.")
    return selection.tasks[0]


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(read_bytes(file, TEXT_BYTES)).hexdigest()
    except (OSError, ValueError) as error:
        raise GoldievalError(f"cannot read {file}: {getattr(error, 'strerror', '') or error}") from error


def _info(name: str, file: Path, digest: str) -> ModelInfo:
    notice = f"imported from {file.name} (SHA-256 {digest[:12]}), not a run of goldieval"
    fingerprint = hashlib.sha256(f"{IMPORTED}:{name}".encode()).hexdigest()
    return ModelInfo(f"{IMPORTED}:{name}", IMPORTED, fingerprint, "", "", precision="unknown", notice=notice)


def _record(task: Task, found: Imported, info: ModelInfo, origin: str) -> Record:
    card, setting = task.card, setting_key(info, task, IMPORTED, None)
    ids = "\n".join(sorted(map(str, found.outcomes["sample_id"])))
    task_part = TaskPart(
        name=card.name,
        family=card.family,
        version=card.version,
        protocol=task.protocol,
        title=card.title,
        licence=card.licence,
        card_sha256=task.hash,
        scoring=IMPORTED,
        headline=card.headline,
        **found.details,
    )
    data = DataPart(
        source=card.source.id or card.source.path or card.source.reader,
        origins=[origin],
        sha256=hashlib.sha256(ids.encode()).hexdigest(),
        expected=card.expect.model_dump(exclude_none=True),
        seen=found.seen,
    )
    return Record(
        setting=setting,
        key=record_key(setting, data, task_part),
        status="ok",
        model=ModelPart(**{name: getattr(info, name) for name in ModelPart.model_fields}),
        task=task_part,
        data=data,
        metrics=found.metrics,
        warnings=[f"columns read: {found.roles.shown}", *_unchecked(found), *found.warnings],
        environment=versions(),
        run=_run(),
        **found.more,
    )


def _unchecked(found: Imported) -> list[str]:
    line = "the items are those of the table and were not compared with the task's annotations"
    return [f"{line}: {found.unchecked}"] if found.unchecked else []


def _run() -> RunPart:
    """Return how the record was made: nothing was run."""
    return RunPart(
        command=command_line(),
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        device="",
        batch={},
        seconds={},
        encoded={},
        reused={},
    )


def _refuse_others(out: Path, record: Record) -> None:
    """Raise GoldievalError if another file was imported under the same name: it would be overwritten."""
    path = record_path(out, record)
    if path.is_file() and (before := read_record(path)).data.origins != record.data.origins:
        raise GoldievalError(f"{path} is there already, {before.model.notice}. Choose another --model, or remove it.")
