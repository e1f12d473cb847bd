"""Evaluate, compare and train data-efficient CLIP models. Importing this imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from goldieval.core.moved import install

if TYPE_CHECKING:
    from goldieval.comparison.compare import compare
    from goldieval.core.errors import GoldievalError
    from goldieval.data.manage.outcomes.record import import_outcomes
    from goldieval.engine.run import evaluate
    from goldieval.models.loading import from_module, load_model
    from goldieval.records.results import Results, load_results
    from goldieval.tasks.catalogue import load_task

    __version__: str

install()
__all__ = [
    "GoldievalError",
    "Results",
    "compare",
    "evaluate",
    "from_module",
    "import_outcomes",
    "load_model",
    "load_results",
    "load_task",
]

_HOME = {
    "GoldievalError": "goldieval.core.errors",
    "Results": "goldieval.records.results",
    "compare": "goldieval.comparison.compare",
    "evaluate": "goldieval.engine.run",
    "from_module": "goldieval.models.loading",
    "import_outcomes": "goldieval.data.manage.outcomes.record",
    "load_model": "goldieval.models.loading",
    "load_results": "goldieval.records.results",
    "load_task": "goldieval.tasks.catalogue",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("goldieval")
    if name not in _HOME:
        raise AttributeError(f"module 'goldieval' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
