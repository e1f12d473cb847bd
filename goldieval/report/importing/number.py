"""One number of another harness under our names, and what the readers of all formats share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError
from goldieval.core.yaml_files import read_yaml

Fields = dict[str, Any]


@dataclass(frozen=True)
class ImportedNumber:
    """One number under our names.

    Attributes:
        model: name of the model.
        task: our name of the task.
        metric: our name of the metric.
        value: a fraction, or a score in its own unit.
        note: what a reader of the table must know.
        protocol: protocol of the other harness; empty where the task's is meant.
        unknown: the part of its name that is not in names.yaml; else empty.
    """

    model: str = ""
    task: str = ""
    metric: str = ""
    value: float = 0.0
    note: str = ""
    protocol: str = ""
    unknown: str = ""


@cache
def all_names() -> dict[str, dict[str, Any]]:
    """Return what other harnesses call tasks and metrics, and what they are here, by harness."""
    return read_yaml(Path(__file__).with_name("names.yaml"))


def finite(file: Path, name: str, cell: Any) -> float | None:
    """Return a number; None for an empty cell.

    Raises:
        GoldievalError: the cell is not a finite number.
    """
    if cell is None or cell == "":
        return None
    value = _float(cell)
    if value is None:
        raise GoldievalError(f"{file}: {name}: {str(cell)[:40]!r} is not a number.")
    if not math.isfinite(value):
        raise GoldievalError(f"{file}: {name}: {str(cell)[:40]} is not a finite number.")
    return value


def _float(cell: Any) -> float | None:
    """Return a value as a number; None for what is none, such as true, which Python takes for 1."""
    if isinstance(cell, bool):
        return None
    try:
        return float(cell)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf
    except (TypeError, ValueError):
        return None


def model_name(name: Any, pretrained: Any = "") -> str:
    """Return ARCHITECTURE/WEIGHTS, or the name alone."""
    return f"{name}/{pretrained}" if pretrained else str(name)
