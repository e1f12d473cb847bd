"""The models and tasks that a caller of ``evaluate`` passes, in all forms that it accepts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError
from goldieval.models.adapter import Model
from goldieval.models.spec import ModelSpec, expand, parse_spec


def model_arguments(model: Any) -> list[ModelSpec | Model]:
    """Return every model of a spec, a glob of specs, an adapter or a list of these.

    Raises:
        GoldievalError: the argument is none of these.
    """
    if isinstance(model, str | Path):
        return list(expand(parse_spec(str(model))))
    if isinstance(model, Sequence):
        return [each for entry in model for each in model_arguments(entry)]
    if not hasattr(model, "describe"):
        hint = "goldieval.from_module wraps a module"
        raise GoldievalError(f"evaluate: a model is a spec or an adapter, not {_type_of(model)}; {hint}.")
    return [model]


def task_arguments(tasks: Any) -> list[str]:
    """Return the task names in a list, or in a string separated by commas.

    Raises:
        GoldievalError: the argument is neither.
    """
    if isinstance(tasks, str | Path):
        tasks = str(tasks).split(",") if isinstance(tasks, str) else [tasks]
    if not isinstance(tasks, Iterable):
        raise GoldievalError(f"evaluate: tasks are names or paths of cards, not {_type_of(tasks)}.")
    names = list(tasks)
    for name in names:
        if not isinstance(name, str | Path):
            raise GoldievalError(f"evaluate: a task is a name or the path of a card, not {_type_of(name)}.")
    return [name for name in (str(name).strip() for name in names) if name]


def _type_of(value: Any) -> str:
    return f"an object of type {type(value).__name__}"
