"""Files and functions of the programs that judge answers, one by one, without the packages that they are in.

Those import libraries that no metric needs, and that the environment of the programs does not have.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import string
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

BEFORE = Path(sys.prefix) / "lmms-eval-0.2.0"


def path(package: str, file: str) -> Path:
    """Return a file of an installed package, which is not imported."""
    found = importlib.util.find_spec(package)
    assert found is not None and found.submodule_search_locations
    return Path(next(iter(found.submodule_search_locations))) / file


def module(package: str, file: str) -> Any:
    """Load one file of an installed package without the package."""
    return _loaded(path(package, file))


def _loaded(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"oracle_{file.stem}", file)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def function(package: str, file: str, name: str) -> Callable[..., Any]:
    """Load one function of a file that imports more than the function needs."""
    tree = ast.parse(path(package, file).read_text())
    (node,) = [item for item in tree.body if isinstance(item, ast.FunctionDef) and item.name == name]
    names: dict[str, Any] = {"np": np, "re": re, "string": string}
    exec(compile(ast.Module([node], []), file, "exec"), names)
    found: Callable[..., Any] = names[name]
    return found


def lmms(task: str) -> Any:
    """Load the functions of a task of lmms-eval; what its package of tasks imports at once is not needed for them."""
    if "lmms_eval.tasks" not in sys.modules:
        package = ModuleType("lmms_eval.tasks")
        package.__path__ = [str(path("lmms_eval", "tasks"))]
        sys.modules["lmms_eval.tasks"] = package
    return importlib.import_module(f"lmms_eval.tasks.{task}.utils")


def lmms_before(task: str) -> Any:
    """Load the functions of a task of lmms-eval 0.2, which lies beside the packages of the environment."""
    lmms(task)  # what both import
    return _loaded(BEFORE / f"lmms_eval/tasks/{task}/utils.py")
