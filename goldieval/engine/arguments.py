"""Models and tasks as a caller of ``evaluate`` names them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError
from goldieval.models.adapter import Model
from goldieval.models.spec import ModelSpec, expand, parse_spec


def models_of(model: Any) -> list[ModelSpec | Model]:
    """Return every model of a spec, a glob of specs, an adapter or a list of these.

    Raises:
        GoldievalError: something that is neither.
    """
    if isinstance(model, str | Path):
        return list(expand(parse_spec(str(model))))
    if isinstance(model, Sequence):
        return [each for spec in model for each in models_of(spec)]
    if not hasattr(model, "describe"):
        hint = "goldieval.from_module wraps a module"
        raise GoldievalError(f"evaluate: a model is a spec or an adapter, not {_kind(model)}; {hint}.")
    return [model]


def task_names(tasks: Any) -> list[str]:
    """Return the names in a list, or in a string separated by commas.

    Raises:
        GoldievalError: something else.
    """
    if isinstance(tasks, str | Path):
        tasks = str(tasks).split(",") if isinstance(tasks, str) else [tasks]
    if not isinstance(tasks, Iterable):
        raise GoldievalError(f"evaluate: tasks are names or paths of cards, not {_kind(tasks)}.")
    names = list(tasks)
    for name in names:
        if not isinstance(name, str | Path):
            raise GoldievalError(f"evaluate: a task is a name or the path of a card, not {_kind(name)}.")
    return [name for name in (str(name).strip() for name in names) if name]


def _kind(value: Any) -> str:
    return f"an object of type {type(value).__name__}"
