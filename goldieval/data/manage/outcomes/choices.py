"""Outcomes of choices from a table: one row per item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from goldieval.core.errors import GoldievalError, listing
from goldieval.data.manage.outcomes.evidence import evidence_of
from goldieval.data.manage.outcomes.imported import Imported
from goldieval.data.manage.outcomes.items import Item, read_items, repetitions
from goldieval.data.manage.outcomes.samples import samples_of
from goldieval.data.manage.outcomes.table_dataset import UNKNOWN
from goldieval.data.samples import Dataset
from goldieval.tasks.card import Task
from goldieval.tasks.params import ChoiceParams

ANSWERS = tuple(f"{side}_{part}" for side in ("right", "wrong") for part in ("id", "content", "score"))


def choices_of_table(task: Task, folder: Path, file: Path, columns: Mapping[str, str]) -> Imported:
    """Return outcomes and metrics of a choice among a few candidates, as the family computes them.

    Args:
        task: the task.
        folder: folder of its data, which may not exist.
        file: the table.
        columns: column by role, in place of the usual ones.

    Raises:
        GoldievalError: the table is invalid or does not fit the task.
    """
    from goldieval.families.choice import FAMILY

    params = task.card.params
    assert isinstance(params, ChoiceParams)
    items, roles = read_items(file, columns, params.sets)
    samples = samples_of(task, folder, items, params.sets)
    dataset = samples.dataset
    _check_counts(task, file, dataset, items)
    _check_strata(task, file, params.strata, dataset.strata, bool(samples.unchecked))
    assert dataset.choices is not None
    evidence = evidence_of(items, samples.order, dataset.choices.shape[1], dataset.trues)
    scored = FAMILY.score(FAMILY.prepare(task, dataset), evidence)
    return Imported(
        outcomes=_without_what_is_unknown(scored.outcomes, dataset),
        metrics=scored.metrics,
        seen={"images": len(dataset.images), "texts": len(dataset.texts)},
        roles=roles,
        unchecked=samples.unchecked,
        warnings=repetitions(items) if samples.unchecked else [],
    )


def _without_what_is_unknown(outcomes: dict[str, np.ndarray], dataset: Dataset) -> dict[str, np.ndarray]:
    """Return the outcomes without scores, which only carried the ranks, and without answers that no table names."""
    assert dataset.choices is not None
    unknown: set[str] = set()
    if dataset.choices.shape[1] > 2 or any(text.text == UNKNOWN for text in dataset.texts):
        unknown = {*ANSWERS, "prediction"}  # which false candidate was chosen
    nothing = np.full(len(dataset.choices), None, dtype=object)
    scores = {"right_score": nothing, "wrong_score": nothing}
    return {name: column for name, column in (outcomes | scores).items() if name not in unknown}


def _check_strata(task: Task, file: Path, wanted: Sequence[str], found: Iterable[str], of_table: bool) -> None:
    """Raise GoldievalError where a split of the card has no row or, if the table names them, one is not of the card."""
    lacking = [name for name in wanted if name not in found]
    others = [name for name in found if name not in wanted] if wanted and of_table else []
    if lacking and not others:
        raise GoldievalError(f"{file}: no row is of {', '.join(lacking)}. Name their column: --columns split=COLUMN")
    if others:
        raise GoldievalError(
            f"{file}: {listing(map(repr, others))} is no split of {task.name}, which has {', '.join(wanted)}. "
            "Name the column of the splits: --columns split=COLUMN"
        )


def _check_counts(task: Task, file: Path, dataset: Dataset, items: Sequence[Item]) -> None:
    """Raise GoldievalError where there are fewer or more samples than the card states."""
    expect, seen = task.card.expect, {"texts": len(dataset.texts), "images": len(dataset.images)}
    stated = {"texts": expect.texts, "images": expect.images if all(item.image for item in items) else None}
    known = {what: count for what, count in stated.items() if count is not None}
    wrong = [f"{seen[what]:,} {what} instead of {count:,}" for what, count in known.items() if seen[what] != count]
    if wrong:
        raise GoldievalError(f"{file}: its {len(items):,} rows are not the items of {task.name}: {', '.join(wrong)}.")
