"""The keys that name a record: what was asked, and all that its numbers depend on."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from goldieval.models.adapter import ModelInfo
from goldieval.records.schema import DataPart, TaskPart
from goldieval.tasks.card import Task


def setting_key(info: ModelInfo, task: Task, scoring: str, limit: int | None, subset: str = "") -> str:
    """Hash what was asked: model, precision, task with its overrides, scoring mode, subset."""
    asked = [info.fingerprint, info.precision, task.name, task.card.version, task.hash, scoring, limit]
    return _hash([*asked, *([subset] if subset else [])])


def record_key(setting: str, data: DataPart, task: TaskPart) -> str:
    """Hash whatever changes the numbers: another key is another file, the same key the same numbers.

    Prompts and class names may lie in files beside the card, of which its own hash in the setting knows no content.
    """
    return _hash([setting, data.sha256, sorted(data.unreadable), task.prompts_sha256, task.class_names_sha256])


def _hash(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
