"""Outcomes of another program as a record of a task: measured by our metrics, and marked as not a run of ours."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from goldieval.core.containment import contained
from goldieval.core.environment import versions
from goldieval.core.errors import GoldievalError
from goldieval.core.limits import TEXT_BYTES
from goldieval.core.reading import read_bytes
from goldieval.data.manage.outcomes.evidence import evidence_of
from goldieval.data.manage.outcomes.items import Item, read_items
from goldieval.data.manage.outcomes.samples import Samples, samples_of
from goldieval.data.manage.outcomes.table_dataset import UNKNOWN
from goldieval.data.roots import data_root
from goldieval.data.samples import Dataset
from goldieval.engine.command import command_line
from goldieval.models.adapter import ModelInfo
from goldieval.records.files import read_record, record_path
from goldieval.records.keys import record_key, setting_key
from goldieval.records.schema import IMPORTED, DataPart, ModelPart, Record, RunPart, TaskPart
from goldieval.records.writing import write_record
from goldieval.tasks.card import Task
from goldieval.tasks.catalogue import Catalogue
from goldieval.tasks.params import ChoiceParams

if TYPE_CHECKING:
    from goldieval.families.base import Scored

ANSWERS = tuple(f"{side}_{part}" for side in ("right", "wrong") for part in ("id", "content", "score"))


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
        task: name of the task, or path of a card; its family is ``choice``.
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
    params = chosen.card.params
    if not isinstance(params, ChoiceParams):
        raise GoldievalError(f"{chosen.name}: outcomes can be imported of choice, and this is {chosen.card.family}.")
    digest = _digest(file)
    with contained(f"reading {file}"):
        items, roles = read_items(file, columns, params.sets)
    root = data_root(Path(data_dir) if data_dir else None)
    samples = samples_of(chosen, chosen.folder(root), items, params.sets)
    _check_counts(chosen, file, samples.dataset, items)
    if lacking := [name for name in params.strata if name not in samples.dataset.strata]:
        raise GoldievalError(f"{file}: no row is of {', '.join(lacking)}. Name their column: --columns split=COLUMN")
    scored = _scored(chosen, samples, items)
    record = _record(chosen, samples, scored, _info(name, file, digest), f"{file.name} sha256:{digest}")
    record = record.model_copy(update={"warnings": [f"columns read: {roles.shown}", *record.warnings]})
    if out is not None:
        _refuse_others(Path(out), record)
        write_record(Path(out), record, scored.outcomes)
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


def _scored(task: Task, samples: Samples, items: list[Item]) -> Scored:
    """Return outcomes and metrics as the family computes them."""
    from goldieval.families.base import family_of

    dataset = samples.dataset
    assert dataset.choices is not None
    family = family_of(task.card.family)
    prepared = family.prepare(task, dataset)
    scored = family.score(prepared, evidence_of(items, samples.order, dataset.choices.shape[1], dataset.trues))
    outcomes = scored.outcomes
    for name in ("right_score", "wrong_score"):  # they only carry the ranks
        outcomes[name] = np.full(len(outcomes["sample_id"]), None, dtype=object)
    if dataset.choices.shape[1] > 2 or any(text.text == UNKNOWN for text in dataset.texts):
        for name in (*ANSWERS, "prediction"):  # which false candidate was chosen is not known
            outcomes.pop(name, None)
    return scored


def _info(name: str, file: Path, digest: str) -> ModelInfo:
    notice = f"imported from {file.name} (SHA-256 {digest[:12]}), not a run of goldieval"
    fingerprint = hashlib.sha256(f"{IMPORTED}:{name}".encode()).hexdigest()
    return ModelInfo(f"{IMPORTED}:{name}", IMPORTED, fingerprint, "", "", precision="unknown", notice=notice)


def _record(task: Task, samples: Samples, scored: Scored, info: ModelInfo, origin: str) -> Record:
    card, dataset = task.card, samples.dataset
    setting = setting_key(info, task, IMPORTED, None)
    seen = {"images": len(dataset.images), "texts": len(dataset.texts)}
    ids = "\n".join(sorted(map(str, scored.outcomes["sample_id"])))
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
    )
    data = DataPart(
        source=card.source.id or card.source.path or card.source.reader,
        origins=[origin],
        sha256=hashlib.sha256(ids.encode()).hexdigest(),
        expected=card.expect.model_dump(exclude_none=True),
        seen=seen,
    )
    unchecked = "the items are those of the table and were not compared with the task's annotations"
    return Record(
        setting=setting,
        key=record_key(setting, data, task_part),
        status="ok",
        model=ModelPart(**{name: getattr(info, name) for name in ModelPart.model_fields}),
        task=task_part,
        data=data,
        metrics=scored.metrics,
        ties=scored.ties,
        warnings=[f"{unchecked}: {samples.unchecked}"] if samples.unchecked else [],
        environment=versions(),
        run=RunPart(
            command=command_line(),
            started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            device="",
            batch={},
            seconds={},
            encoded={},
            reused={},
        ),
    )


def _check_counts(task: Task, file: Path, dataset: Dataset, items: list[Item]) -> None:
    """Raise GoldievalError where there are fewer or more samples than the card states."""
    expect, seen = task.card.expect, {"texts": len(dataset.texts), "images": len(dataset.images)}
    stated = {"texts": expect.texts, "images": expect.images if all(item.image for item in items) else None}
    wrong = [
        f"{seen[what]:,} {what} instead of {count:,}"
        for what, count in stated.items()
        if count not in (None, seen[what])
    ]
    if wrong:
        raise GoldievalError(f"{file}: its {len(items):,} rows are not the items of {task.name}: {', '.join(wrong)}.")


def _refuse_others(out: Path, record: Record) -> None:
    """Raise GoldievalError if another file was imported under the same name: it would be overwritten."""
    path = record_path(out, record)
    if path.is_file() and (before := read_record(path)).data.origins != record.data.origins:
        raise GoldievalError(f"{path} is there already, {before.model.notice}. Choose another --model, or remove it.")
