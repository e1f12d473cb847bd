"""Fixtures that several files of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from get_cases import NAMES, card
from helpers import picture, png_bytes, tar
from hub_server import Server, serving
from reader_cases import CAPTIONS

from goldieval.data.fetch import retry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, a.png to c.png."""
    for seed, name in enumerate(CAPTIONS):
        picture(tmp_path / name, seed)
    return tmp_path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers of parquet keep a memory-mapped copy."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        picture(Path(f"mine/img/{number}.png"), number)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[float]:
    """Replace delays, and collect their lengths."""
    waited: list[float] = []
    monkeypatch.setattr(retry, "pause", waited.append)
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HUGGING_FACE_HUB_TOKEN", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    return waited


@pytest.fixture
def shards(tmp_path: Path) -> dict[str, bytes]:
    """A web dataset of three classes in two shards, and other files of a repository."""
    files = {"classnames.txt": "\n".join(NAMES).encode(), "test/nshards.txt": b"2"}
    for shard in range(2):
        members = {}
        for number in range(3):
            members[f"s{shard}{number}.png"] = png_bytes(10 * shard + number)
            members[f"s{shard}{number}.cls"] = str(number).encode()
        files[f"test/{shard}.tar"] = tar(tmp_path / "made" / f"{shard}.tar", members).read_bytes()
    beside = {"name.py": b"raise SystemExit", "data.pkl": b"\x80", "weights.bin": b"0", "README.md": b"hello"}
    return files | beside


@pytest.fixture
def hub(shards: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving(Server(files=dict(shards))) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def of_hub(tmp_path: Path) -> str:
    return card(tmp_path / "cards", hub="org/name")
