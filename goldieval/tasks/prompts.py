"""Prompts and class names: listed in the card, in a file beside it, or read from the installed clip-benchmark."""

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
from goldieval.tasks.params import InData, Pinned

PROMPTS = "en_zeroshot_classification_templates.json"
CLASS_NAMES = "en_classnames.json"


def resolve(task: Task, value: Pinned | str | Sequence[str], file: str) -> list[str]:
    """Return the prompts or class names that a card refers to.

    Args:
        task: the task of the card.
        value: the list itself, the name of a text file beside the card, or an entry of clip-benchmark's ``file``.
        file: ``PROMPTS`` or ``CLASS_NAMES``.

    Raises:
        TaskError: the entry does not exist, or its SHA-256 differs from the one on the card.
    """
    if isinstance(value, Pinned):
        return _pinned(task, value, file)
    if isinstance(value, str):
        return (read_names if file == CLASS_NAMES else read_lines)(inside(task.file.parent, value))
    return list(value)


def resolve_prompts(task: Task, value: InData | Pinned | str | Sequence[str], in_data: Sequence[str]) -> list[str]:
    """Return the prompts that a card refers to, which may be those of the data.

    Args:
        task: the task of the card.
        value: ``params.prompts``.
        in_data: the prompts that the reader found.

    Raises:
        TaskError: as for ``resolve``, or the data have no prompts or not those that the card pins.
    """
    if not isinstance(value, InData):
        return resolve(task, value, PROMPTS)
    if not in_data:
        raise TaskError(f"{task.file}: params.prompts: the data have no prompts; name their file in source.templates.")
    if value.sha256 and digest(in_data) != value.sha256:
        raise TaskError(f"{task.file}: the prompts of the data are not those that this card pins. Get the data again.")
    return list(in_data)


def digest(values: Sequence[str]) -> str:
    """Return the SHA-256 of a list of strings as compact JSON, which is the ``sha256`` that cards pin."""
    content = json.dumps(list(values), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def fill(prompts: Sequence[str], class_name: str) -> list[str]:
    """Return the prompts with ``{c}`` replaced by a class name."""
    return [prompt.replace("{c}", class_name) for prompt in prompts]


def check_prompts(prompts: Sequence[str]) -> None:
    """Raise TaskError for a prompt without ``{c}``."""
    invalid = [prompt for prompt in prompts if "{c}" not in prompt]
    if invalid:
        raise TaskError(f"prompt {invalid[0]!r} has no {{c}} where the class name goes.")


def clip_benchmark_entry(name: str, file: str) -> list[str]:
    """Return one entry of clip-benchmark's prompt or class-name file, which is read without importing the package.

    Args:
        name: of the entry.
        file: ``PROMPTS`` or ``CLASS_NAMES``.

    Raises:
        KeyError: there is no such entry.
    """
    entry: list[str] = _clip_benchmark(file)[name]
    return entry


@cache
def _clip_benchmark(file: str) -> dict[str, list[str]]:
    content = importlib.resources.files("clip_benchmark").joinpath("datasets", file).read_text(encoding="utf-8")
    entries: dict[str, list[str]] = json.loads(content)
    return entries


def _pinned(task: Task, pin: Pinned, file: str) -> list[str]:
    """Return a pinned list of the installed clip-benchmark. Raises TaskError where it is missing or has changed."""
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
            f"Install the release that it pins: uv pip install clip-benchmark=={pin.version}"
        )
    if unknown := [name for name in pin.drop if name not in values]:
        raise TaskError(f"{task.file}: {pin.clip_benchmark!r} in {file} has no {unknown[0]!r} to drop.")
    if beyond := [place for place in pin.take if place >= len(values)]:
        raise TaskError(
            f"{task.file}: {pin.clip_benchmark!r} in {file} has {len(values):,} entries, none at position {beyond[0]}."
        )
    taken = [values[place] for place in pin.take] if pin.take else values
    return [value for value in taken if value not in pin.drop]
