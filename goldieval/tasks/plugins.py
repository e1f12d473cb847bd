"""Entry points of installed packages: folders of task cards, and adapters of model families. None is imported here."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
from functools import cache
from pathlib import Path

MODELS = "goldieval.models"  # groups of entry points
TASKS = "goldieval.tasks"


def plugin_folders() -> list[Path]:
    """Return the folders of cards in installed packages: an entry point's value names the package with the YAML."""
    points = importlib.metadata.entry_points(group=TASKS)
    return [path for point in points if (path := _module_path(point.value)) is not None and path.is_dir()]


@cache
def model_families() -> dict[str, importlib.metadata.EntryPoint]:
    """Return the installed adapters by family name. A plug-in cannot replace a family that ships with goldieval."""
    points = importlib.metadata.entry_points(group=MODELS)
    shipped_last = sorted(points, key=lambda point: bool(point.dist and point.dist.name == "goldieval"))
    return {point.name: point for point in shipped_last}


def describe_family(point: importlib.metadata.EntryPoint) -> str:
    """Return the first line of the adapter module's docstring, read from its source without importing it."""
    path = _module_path(point.module)
    files = [path.with_name(f"{path.name}.py"), path / "__init__.py"] if path else []
    source = next((file for file in files if file.is_file()), None)
    document = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) if source else ""
    return document.splitlines()[0].replace("``", "") if document else ""


def _module_path(module: str) -> Path | None:
    """Return the folder of a module, or its file without ``.py``. Neither it nor its parent packages are imported."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None:
        return None
    folders = spec.submodule_search_locations
    start = Path(next(iter(folders))) if folders else Path(spec.origin or "").with_suffix("")
    return start.joinpath(*rest)
