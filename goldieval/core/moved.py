"""Modules of goldieval 0.1 under their former names, with a deprecation warning, for one release."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType

MOVED = {
    "goldieval.adapter": "goldieval.models.adapter",
    "goldieval.card": "goldieval.tasks.card",
    "goldieval.describe": "goldieval.engine.describe",
    "goldieval.embeddings": "goldieval.engine.store",
    "goldieval.encode": "goldieval.engine.encode",
    "goldieval.environment": "goldieval.core.environment",
    "goldieval.errors": "goldieval.core.errors",
    "goldieval.families.params": "goldieval.tasks.params",
    "goldieval.files": "goldieval.core.files",
    "goldieval.known": "goldieval.models.checkpoints",
    "goldieval.padding": "goldieval.models.padding",
    "goldieval.plan": "goldieval.engine.plan",
    "goldieval.precision": "goldieval.core.precision",
    "goldieval.prepare": "goldieval.engine.load",
    "goldieval.prompts": "goldieval.tasks.prompts",
    "goldieval.record": "goldieval.records.schema",
    "goldieval.record_files": "goldieval.records.files",
    "goldieval.registry": "goldieval.tasks.catalogue",
    "goldieval.results": "goldieval.records.results",
    "goldieval.runner": "goldieval.engine.run",
    "goldieval.screen": "goldieval.engine.reporter",
    "goldieval.spec": "goldieval.models.spec",
    "goldieval.token_counts": "goldieval.models.token_counts",
    "goldieval.torch_adapter": "goldieval.models.torch_adapter",
    "goldieval.untrusted": "goldieval.models.safe_load",
}


class _Moved(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a former module name and returns the current module itself, so that its classes are identical."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(name, self) if name in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        """Replace the empty module created for the former name by the current module."""
        old, new = module.__name__, MOVED[module.__name__]
        warnings.warn(f"{old} is now {new}; the old name is removed in 0.3.", DeprecationWarning, stacklevel=2)
        sys.modules[old] = importlib.import_module(new)


def install() -> None:
    """Make the former names importable."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.append(_Moved())
