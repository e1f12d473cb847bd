"""A download that is killed while its files are moved: an incomplete folder is never taken for a complete one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from archives import zipped
from helpers import content, goldieval, one_line, png_bytes, records, toy_model
from hub_server import Server, serving

from goldieval.core import ledger
from goldieval.data.fetch import fetch, lockfile
from goldieval.data.fetch.plan import plan_fetch
from goldieval.data.fetch.staging import is_incomplete, staging
from goldieval.data.roots import data_root
from goldieval.tasks.card import load_card

NAMES = ("cat", "dog", "eel")


class KilledError(BaseException):
    """An exception that is never caught."""


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A card without expected counts, for an archive of class folders at its top level, and a file."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    pictures = zipped({f"{name}/{row}.png": png_bytes(10 * row + len(name)) for name in NAMES for row in range(2)})
    with serving(Server(files={"a.zip": pictures, "b.bin": b"beside"})) as server:
        urls = [
            {"url": f"{server.url}/web/a.zip", "unpack": True, "to": "pictures"},
            {"url": f"{server.url}/web/b.bin", "to": "."},
        ]
        source = {"path": "", "id": "mine", "folder_name": "pictures", "urls": urls}
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content("folder", source=source)))
        yield str(tmp_path / "mine.yaml")


def killed_fetch(task: str) -> None:
    """Download like ``data get``, but without converting exceptions into error lines."""
    card = load_card(Path(task))
    folder = card.folder(data_root(None))
    with pytest.raises(KilledError):
        fetch.fetch_all(plan_fetch([card.card.source], folder, False, print), mock.Mock())


def test_incomplete_data_are_neither_evaluated_nor_reported_as_complete_and_are_resumed(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(os.environ["GOLDIEVAL_DATA"]) / "mine"
    whole = os.replace

    def replace(source: Path, target: Path) -> None:
        if Path(target).name == NAMES[-1]:
            raise KilledError
        whole(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", replace)
        killed_fetch(task)
    assert sorted(path.name for path in (folder / "pictures").iterdir()) == ["cat", "dog"] and is_incomplete(folder)
    run = ("run", "--model", toy_model(tmp_path), "--tasks", task, "--out", "out")
    assert goldieval(*run).code == 1
    assert "is incomplete" in one_line(records(tmp_path / "out")[0]["reason"])
    assert "is incomplete" in goldieval("data", "check", task).out
    ran = goldieval("data", "get", task, "--yes")
    assert (ran.code, ran.err) == (0, "") and "3 classes" in ran.out
    assert not staging(folder).exists() and (folder / "b.bin").exists()
    assert goldieval(*run).code == 0 and goldieval("data", "check", task).code == 0


@pytest.mark.parametrize("call", [1, 2])
def test_origins_are_known_after_a_kill_before_their_hash_was_recorded(
    task: str, call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(os.environ["GOLDIEVAL_DATA"]) / "mine"
    whole, calls = lockfile.record_origins_hash, iter((1, 2))

    def vouch(*args: Any) -> None:
        if next(calls) == call:
            raise KilledError
        whole(*args)

    with monkeypatch.context() as patched:
        patched.setattr(lockfile, "record_origins_hash", vouch)
        killed_fetch(task)
    ledger.cache_root().mkdir(parents=True, exist_ok=True)
    (ledger.cache_root() / ".folders.json.x.goldieval-tmp").touch()
    ran = goldieval("data", "get", task, "--yes")
    assert (ran.code, ran.err) == (0, "") and (folder / "b.bin").exists()
    assert lockfile.origin_labels(folder) != [] and not staging(folder).exists()
    assert [path.name for path in ledger.cache_root().glob(".*tmp")] == []
