"""The task of a record, by its name or by the file of its card."""

from __future__ import annotations

from pathlib import Path

from goldieval.core.errors import GoldievalError
from goldieval.records.schema import Record
from goldieval.tasks.card import Task, load_card
from goldieval.tasks.catalogue import Catalogue


def task_of(record: Record, catalogue: Catalogue) -> Task | None:
    """Return the task with which a record was made, or None if there is no such card now.

    A card that the record names by its file must be the one that was measured, so that a record of somebody else cannot
    show other data.

    Args:
        record: The record.
        catalogue: Shipped cards, and those of the user's folder.
    """
    if record.task.name in catalogue.tasks or not record.run.card:
        return catalogue.tasks.get(record.task.name)
    try:
        task = load_card(Path(record.run.card)).override(record.task.overrides)
    except (GoldievalError, OSError, ValueError):
        return None
    return task if task.hash == record.task.card_sha256 else None
