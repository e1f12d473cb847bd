"""The keys that identify a record: its setting, and everything that its numbers depend on."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from goldieval.models.adapter import ModelInfo
from goldieval.records.schema import DataPart, TaskPart
from goldieval.tasks.card import Task


def setting_key(info: ModelInfo, task: Task, scoring: str, limit: int | None, subset: str = "") -> str:
    """Return the SHA-256 of the setting of a run.

    Args:
        info: the model, with its precision.
        task: the task, with its overrides.
        scoring: the resolved scoring mode.
        limit: number of images to which the task is limited; None if it is not.
        subset: name of the subset; empty for all images.
    """
    parts = [info.fingerprint, info.precision, task.name, task.card.version, task.hash, scoring, limit]
    return _hash([*parts, *([subset] if subset else [])])


def record_key(setting: str, data: DataPart, task: TaskPart) -> str:
    """Return the SHA-256 of everything that the numbers depend on; records of one key have the same numbers.

    Prompts and class names are included because they may be in files beside the card, whose content the hash of the
    card in the setting does not cover.

    Args:
        setting: result of ``setting_key``.
        data: the data that were read.
        task: the task, with the hashes of its prompts and class names.
    """
    return _hash([setting, data.sha256, sorted(data.unreadable), task.prompts_sha256, task.class_names_sha256])


def _hash(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
