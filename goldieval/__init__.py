"""Evaluate, compare and train data-efficient CLIP models. Importing this imports no torch."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from goldieval.adapter import from_module, load_model
    from goldieval.comparison.compare import compare
    from goldieval.errors import GoldievalError
    from goldieval.registry import load_task
    from goldieval.results import Results, load_results
    from goldieval.runner import evaluate

__version__ = version("goldieval")
__all__ = ["GoldievalError", "Results", "compare", "evaluate", "from_module", "load_model", "load_results", "load_task"]

_HOME = {
    "GoldievalError": "goldieval.errors",
    "Results": "goldieval.results",
    "compare": "goldieval.comparison.compare",
    "evaluate": "goldieval.runner",
    "from_module": "goldieval.adapter",
    "load_model": "goldieval.adapter",
    "load_results": "goldieval.results",
    "load_task": "goldieval.registry",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'goldieval' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
