"""Fixtures of the tests of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import card, class_folders, retrieval_embeddings, toy_model


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run without a terminal, with 100 columns, in a temporary folder."""
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "PY_COLORS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def precomputed(tmp_path: Path) -> list[str]:
    """Arguments of a run with precomputed embeddings."""
    folder = retrieval_embeddings(tmp_path / "given")
    return ["run", "--model", f"embeddings:{folder}", "--tasks", f"{folder}/card.yaml"]


@pytest.fixture
def classified(tmp_path: Path) -> list[str]:
    """Arguments of a run on a few pictures of six classes."""
    class_folders(tmp_path / "data", {"cat": 3, "dog": 2, "fish": 2, "bird": 1, "bee": 1, "ant": 1})
    return ["run", "--model", toy_model(tmp_path), "--tasks", str(card(tmp_path))]
