"""Arrows point down only: no room imports from a room above it, at the top of a file or inside a function."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import goldieval

HOUSE = Path(goldieval.__file__).parent
EVERYWHERE = {"core"}
BELOW = {
    "core": {"core", "errors"},
    "metrics": {"metrics", "errors"},
    "scoring": {"scoring", "metrics", "errors", "precision"},
    "data": {"data", "core", "errors", "files"},
    "care": {"care", "core", "families", "prepare", "registry", "card", "data", "errors", "files"},
    "families": {"families", "scoring", "metrics", "data", "card", "errors", "prompts", "record"},
    "goldiclip": {"goldiclip", "data", "card", "errors", "files", "padding", "untrusted"},
}


def imported(file: Path) -> set[str]:
    """Return what of goldieval a file imports, as ``runner`` or ``data``."""
    names: list[str] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            whole = node.module == "goldieval"
            names += [f"goldieval.{alias.name}" for alias in node.names] if whole else [node.module or ""]
    return {name.split(".")[1] for name in names if name.startswith("goldieval.")}


@pytest.mark.parametrize("room", BELOW)
def test_a_room_imports_only_what_is_below_it(room: str) -> None:
    files = sorted((HOUSE / room).rglob("*.py"))
    assert files
    wrong = {
        str(file.relative_to(HOUSE)): above for file in files if (above := imported(file) - BELOW[room] - EVERYWHERE)
    }
    assert wrong == {}
