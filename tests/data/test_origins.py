"""Origins are trusted only if this user's goldieval has downloaded the files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from archives import pad
from helpers import card, class_folders, goldieval
from hub_server import Server, serving

from goldieval import evaluate
from goldieval.core import ledger
from goldieval.core.errors import GoldievalError
from goldieval.data.fetch.lockfile import NAME, origin_labels

CLAIM = {"schema_version": 1, "origins": [{"hub": "org/famous", "revision": "main", "commit": "c" * 40}]}


def test_folder_that_brings_its_own_list_adds_no_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = class_folders(tmp_path / "root/mine", {"cat": 2, "dog": 2})
    (own / NAME).write_text(json.dumps(CLAIM))
    file = str(card(tmp_path, source={"path": "", "id": "mine", "hub": "org/famous"}))
    (record,) = evaluate("random", file, out=None, data_dir=tmp_path / "root")
    assert record.status == "ok" and record.data.origins == []
    ran = goldieval("data", "where", file, "--data-dir", tmp_path / "root")
    assert ran.code == 0 and "famous" not in ran.out
    assert "not downloaded by this command" in goldieval("data", "get", file, "--data-dir", tmp_path / "root").out


def test_own_list_of_a_folder_that_is_read_beside_its_card_adds_no_origin(tmp_path: Path) -> None:
    own = class_folders(tmp_path / "mine", {"cat": 2, "dog": 2})
    (own / NAME).write_text(json.dumps(CLAIM))
    (record,) = evaluate("random", str(card(tmp_path, source={"path": "mine"})), out=None)
    assert record.status == "ok" and record.data.origins == []


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder downloaded from a server, and its card."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(Server(files={"names.txt": b"a\nb\n"})) as server:
        urls = [{"url": f"{server.url}/web/names.txt"}]
        class_folders(tmp_path / "root/mine", {"cat": 2, "dog": 2})
        card(tmp_path, source={"path": "", "id": "mine", "urls": urls, "classes": "names.txt"})
        goldieval("data", "get", tmp_path / "card.yaml", "--yes", "--data-dir", tmp_path / "root")
    return tmp_path / "root/mine"


def test_downloaded_data_have_an_origin(fetched: Path) -> None:
    assert [label.rpartition("/")[2] for label in origin_labels(fetched)] == ["names.txt"]


def changed(fetched: Path) -> Path:
    content: dict[str, Any] = json.loads((fetched / NAME).read_text())
    (fetched / NAME).write_text(json.dumps(content | {"origins": content["origins"] + CLAIM["origins"]}))  # type: ignore[operator]
    return fetched


def elsewhere(fetched: Path) -> Path:
    shutil.copytree(fetched, other := fetched.parent / "other")
    return other


def of_another_user(fetched: Path) -> Path:
    (ledger.cache_root() / "folders.json").unlink()
    return fetched


def of_a_damaged_ledger(fetched: Path) -> Path:
    (ledger.cache_root() / "folders.json").write_text('{"fetched": [1], "given": {"a": 1}}')
    return fetched


@pytest.mark.parametrize("spoil", [changed, elsewhere, of_another_user, of_a_damaged_ledger])
def test_modified_or_moved_lists_are_not_trusted(spoil: Any, fetched: Path) -> None:
    assert origin_labels(spoil(fetched)) == []


def test_source_cannot_bring_a_list_of_origins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from archives import END, member

    content = json.dumps(CLAIM).encode()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    archive = member(NAME, len(content)) + pad(content) + END
    with serving(Server(files={"a.tar": archive, NAME: content})) as server:
        for name, unpack in (("a.tar", True), (NAME, False)):
            urls = [{"url": f"{server.url}/web/{name}", "unpack": unpack}]
            card(tmp_path, source={"path": "", "id": "mine", "urls": urls})
            ran = goldieval("data", "get", tmp_path / "card.yaml", "--yes")
            assert ran.code == 1 and "reserved for the list of downloads" in ran.err


def test_two_processes_keep_each_others_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from goldieval.core.ledger import allow_folders, allowed_folders, record_origins_hash, recorded_origins_hash

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folders = [tmp_path / str(number) for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda folder: (record_origins_hash(folder, folder.name), allow_folders([str(folder)])), folders))
    assert [recorded_origins_hash(folder) for folder in folders] == [folder.name for folder in folders]
    assert {str(folder) for folder in folders} <= set(allowed_folders())


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", home)
    with pytest.raises(GoldievalError, match="XDG_CACHE_HOME"):
        ledger.cache_root()
    assert ledger.recorded_origins_hash(Path("data")) == ""  # nothing is recorded
