"""Prompts and class names: written in the card, in a file beside it, or read from the installed clip-benchmark."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.resources
import json
from collections.abc import Sequence
from functools import cache

from goldieval.core.errors import TaskError
from goldieval.data.roots import inside
from goldieval.data.source import read_lines, read_names
from goldieval.tasks.card import Task
from goldieval.tasks.params import Pinned

PROMPTS = "en_zeroshot_classification_templates.json"
CLASS_NAMES = "en_classnames.json"


def resolve(task: Task, given: Pinned | str | Sequence[str], file: str) -> list[str]:
    """Return the list that a card means.

    Args:
        given: the list itself, the name of a text file beside the card, or an entry of clip-benchmark's ``file``.

    Raises:
        TaskError: an unknown entry, or one whose SHA-256 is not the card's.
    """
    if isinstance(given, Pinned):
        return _pinned(task, given, file)
    if isinstance(given, str):
        return (read_names if file == CLASS_NAMES else read_lines)(inside(task.file.parent, given))
    return list(given)


def digest(values: Sequence[str]) -> str:
    """SHA-256 of a list of strings as compact JSON: the ``sha256`` that cards pin."""
    content = json.dumps(list(values), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def fill(prompts: Sequence[str], class_name: str) -> list[str]:
    """Put a class name in place of ``{c}`` in every prompt."""
    return [prompt.replace("{c}", class_name) for prompt in prompts]


def check_prompts(prompts: Sequence[str]) -> None:
    """Raise TaskError for a prompt without a place for the class name."""
    bare = [prompt for prompt in prompts if "{c}" not in prompt]
    if bare:
        raise TaskError(f"prompt {bare[0]!r} has no {{c}} where the class name goes.")


def clip_benchmark_entry(name: str, file: str) -> list[str]:
    """Return one entry of clip-benchmark's prompt or class-name file. Its package is never imported, only read.

    Raises:
        KeyError: no such entry.
    """
    entry: list[str] = _clip_benchmark(file)[name]
    return entry


@cache
def _clip_benchmark(file: str) -> dict[str, list[str]]:
    content = importlib.resources.files("clip_benchmark").joinpath("datasets", file).read_text(encoding="utf-8")
    entries: dict[str, list[str]] = json.loads(content)
    return entries


def _pinned(task: Task, pin: Pinned, file: str) -> list[str]:
    version = importlib.metadata.version("clip-benchmark")
    try:
        values = clip_benchmark_entry(pin.clip_benchmark, file)
    except KeyError:
        raise TaskError(
            f"{task.file}: clip-benchmark {version} has no entry {pin.clip_benchmark!r} in {file}."
        ) from None
    if digest(values) != pin.sha256:
        raise TaskError(
            f"{task.file}: {pin.clip_benchmark!r} in {file} of clip-benchmark {version} is not what this card pins. "
            f"It matches clip-benchmark {pin.version}: uv pip install clip-benchmark=={pin.version}"
        )
    if unknown := [name for name in pin.drop if name not in values]:
        raise TaskError(f"{task.file}: {pin.clip_benchmark!r} in {file} has no {unknown[0]!r} to drop.")
    return [value for value in values if value not in pin.drop]
