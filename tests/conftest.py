"""What every test has: a user's folders of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

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


@pytest.fixture(autouse=True)
def no_training_before() -> Iterator[None]:
    """Forget the precision of the last training: accelerate keeps it for the whole process."""
    yield
    if "accelerate.state" in sys.modules:
        sys.modules["accelerate.state"].AcceleratorState._reset_state(reset_partial_state=True)
