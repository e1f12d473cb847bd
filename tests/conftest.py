"""What every test has: a user's folders of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from copy import copy
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # the tensors of the tests are small: more threads only wait for each other


@pytest.fixture(autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the user's cache out of every test; returns the folder of the embedding store, not made yet."""
    home = tmp_path_factory.mktemp("home")
    (home / "data").mkdir()
    monkeypatch.setenv("GOLDIEVAL_STORE", str(home / "store"))
    monkeypatch.setenv("GOLDIEVAL_DATA", str(home / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.delenv("GOLDIEVAL_STORE_GB", raising=False)
    return home / "store"


@pytest.fixture(autouse=True, scope="session")
def shipped_cards_read_once() -> None:
    """Read each card in ``tasks/`` once in a session: most commands read all of them, and they stay what they are."""
    from goldieval.tasks import catalogue

    load_card, shipped = catalogue.load_card, catalogue.packaged("tasks")
    known = cache(load_card)
    catalogue.load_card = lambda file: known(file) if file.parent == shipped else load_card(file)


_WORLDS: dict[str, Any] = {}


@pytest.fixture(autouse=True)
def drawn_worlds_read_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Describe each built-in world once in a session, and give every test its own copy; its own tests read it anew."""
    if request.path.name.startswith("test_shapes"):
        return
    from goldieval.data.shapes.reader import ShapesSource

    read = ShapesSource.read

    def known(source: ShapesSource, folder: Path) -> Any:
        key = repr([getattr(source, name) for name in sorted(ShapesSource.model_fields) if name != "path"])
        if key not in _WORLDS:
            _WORLDS[key] = read(source, folder)
        dataset = _WORLDS[key]
        return replace(dataset, **{each.name: copy(getattr(dataset, each.name)) for each in fields(dataset)})

    monkeypatch.setattr(ShapesSource, "read", known)


@pytest.fixture(autouse=True)
def no_training_before() -> Iterator[None]:
    """Forget the precision of the last training: accelerate keeps it for the whole process."""
    yield
    if "accelerate.state" in sys.modules:
        sys.modules["accelerate.state"].AcceleratorState._reset_state(reset_partial_state=True)
