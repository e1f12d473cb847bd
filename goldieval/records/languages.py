"""Warnings for results on texts in languages that the model's tokenizer was not made for."""

from __future__ import annotations

from goldieval.core.errors import listing
from goldieval.records.schema import TaskPart


def language_note(task: TaskPart) -> str:
    """Return the note on a task's languages; empty if the tokenizer knows all of them."""
    if not task.unread_languages:
        return ""
    return f"the model's tokenizer was not made for these languages: {listing(task.unread_languages)}"


def language_warnings(task: TaskPart) -> list[str]:
    """Return the same as a list of warnings."""
    note = language_note(task)
    return [f"{note}; it splits their words into bytes or marks them as unknown"] if note else []
