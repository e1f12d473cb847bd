"""Arrows point down only: no room imports from a room above it, at the top of a file or inside a function."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import goldieval

HOUSE = Path(goldieval.__file__).parent
BELOW = {
    "core": {"core", "errors", "files"},
    "metrics": {"metrics", "errors", "core"},
    "scoring": {"scoring", "metrics", "errors", "precision", "core"},
    "data": {"data", "errors", "files", "core"},
    "care": {"care", "families", "prepare", "registry", "card", "data", "errors", "files", "core"},
    "families": {"families", "scoring", "metrics", "data", "card", "errors", "prompts", "record", "core"},
    "goldiclip": {"goldiclip", "data", "card", "errors", "files", "padding", "untrusted", "core"},
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
    wrong = {str(file.relative_to(HOUSE)): above for file in files if (above := imported(file) - BELOW[room])}
    assert wrong == {}
