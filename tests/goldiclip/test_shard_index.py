"""The index of shards is kept: a shard's headers are read once, and again whenever anything is doubtful."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from training_samples import jpeg, row, shard, shards, tokenizer

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.data import shard_index
from goldieval.goldiclip.data.corpus import BadSampleError
from goldieval.goldiclip.data.shard_index import file_of
from goldieval.goldiclip.data.shards import Shards


def said(folder: Path | str) -> list[str]:
    """Open the shards; return the first sentence of every sample, in order."""
    corpus = Shards(str(folder), tokenizer())
    return [tokenizer().decode(corpus.sample(place).sentences[0]).strip() for place in range(len(corpus))]


def numbers(folder: Path | str) -> list[int]:
    return [int(text.split()[1]) for text in said(folder)]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by the name of each shard whose headers are read."""
    names: list[str] = []
    samples_of = shard_index.samples_of

    def noted(shard: Path) -> object:
        names.append(shard.name)
        return samples_of(shard)

    monkeypatch.setattr(shard_index, "samples_of", noted)
    return names


def test_headers_are_read_once(tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shards(tmp_path, [2, 0, 3])
    assert numbers(tmp_path) == [0, 1, 2, 3, 4] and len(read) == 3
    read.clear()
    monkeypatch.chdir(tmp_path.parent)
    assert numbers(tmp_path) == numbers(tmp_path.name) == [0, 1, 2, 3, 4] and read == []


def test_what_is_missing_of_a_sample_is_kept_too(tmp_path: Path, read: list[str]) -> None:
    shard(tmp_path / "0.tar", {"a": {"json": row(0)}, "b": {"jpg": jpeg()}})
    for _ in range(2):
        corpus = Shards(str(tmp_path), tokenizer())
        for place, kind in enumerate(("no picture", "no JSON")):
            with pytest.raises(BadSampleError) as failure:
                corpus.sample(place)
            assert failure.value.bad.kind == kind
    assert read == ["0.tar"]


def test_only_a_changed_or_new_shard_is_read_again(tmp_path: Path, read: list[str]) -> None:
    shards(tmp_path, [2, 2, 2])
    numbers(tmp_path)
    read.clear()
    samples = {f"{n:06d}": {"jpg": jpeg(n), "json": row(n)} for n in (7, 8, 9)}
    shard(tmp_path / "00001.tar", samples)
    assert numbers(tmp_path) == [0, 1, 7, 8, 9, 4, 5] and read == ["00001.tar"]
    shard(tmp_path / "00000a.tar", {"000006": samples["000007"]})
    (tmp_path / "00002.tar").unlink()
    assert numbers(tmp_path) == [0, 1, 7, 7, 8, 9] and read == ["00001.tar", "00000a.tar"]


def test_a_change_that_keeps_the_size_is_seen(tmp_path: Path, read: list[str]) -> None:
    file = shard(tmp_path / "0.tar", {"a": {"jpg": jpeg(), "json": row(1)}, "b": {"json": row(2), "jpg": jpeg()}})
    size = file.stat().st_size
    assert numbers(tmp_path) == [1, 2]
    shard(file, {"a": {"json": row(1), "jpg": jpeg()}, "b": {"jpg": jpeg(), "json": row(3)}})
    assert file.stat().st_size == size
    os.utime(file, ns=(0, 0))
    assert numbers(tmp_path) == [1, 3] and len(read) == 2


def test_the_code_that_reads_is_part_of_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.py").write_text("")
    before = file_of("a")
    assert before != file_of("b")
    monkeypatch.setattr("goldieval.data.webdataset.__file__", str(tmp_path / "other.py"))
    assert file_of("a") != before


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-8])


def flipped(file: Path) -> None:
    """A byte of an offset: the samples would be read from elsewhere."""
    content = bytearray(file.read_bytes())
    content[-20] ^= 1
    file.write_bytes(content)


def foreign(file: Path) -> None:
    save_file({"a": torch.zeros(2)}, file)


def without_a_row(file: Path) -> None:
    parts = load_file(file)
    with shard_index.safe_open(str(file), framework="pt") as stored:
        about = stored.metadata()
    save_file({**parts, "rows": parts["rows"][:-1].contiguous()}, file, about)


@pytest.mark.parametrize("spoil", [truncated, flipped, foreign, without_a_row, Path.unlink])
def test_a_doubtful_file_is_made_anew(spoil: Callable[[Path], None], tmp_path: Path, read: list[str]) -> None:
    shards(tmp_path, [2, 3])
    numbers(tmp_path)
    spoil(file_of(str(tmp_path)))
    read.clear()
    assert numbers(tmp_path) == [0, 1, 2, 3, 4] and len(read) == 2
    assert numbers(tmp_path) == [0, 1, 2, 3, 4] and len(read) == 2  # and kept again


def test_without_a_writable_cache_headers_are_read(
    tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    shards(tmp_path / "s", [2, 3])
    for count in (2, 4):
        assert numbers(tmp_path / "s") == [0, 1, 2, 3, 4] and len(read) == count


def test_a_full_disk_costs_the_file_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(shard_index, "atomic_write", full)
    shards(tmp_path, [2])
    assert numbers(tmp_path) == [0, 1] and not file_of(str(tmp_path)).exists()


def test_what_was_read_before_a_damaged_shard_is_kept(tmp_path: Path, read: list[str]) -> None:
    shards(tmp_path, [2, 2, 2])
    whole = (tmp_path / "00001.tar").read_bytes()
    (tmp_path / "00001.tar").write_bytes(whole[:1000])
    with pytest.raises(GoldievalError, match=r"00001\.tar is not a readable tar"):
        numbers(tmp_path)
    (tmp_path / "00001.tar").write_bytes(whole)
    assert numbers(tmp_path) == [0, 1, 2, 3, 4, 5]
    assert read == ["00000.tar", "00001.tar", "00001.tar", "00002.tar"]


def test_a_shard_named_twice_has_its_rows_twice(tmp_path: Path) -> None:
    folder = shards(tmp_path, [1, 2])
    for _ in range(2):
        assert numbers(f"{folder}/{{00001,./00000,../{folder.name}/00001}}.tar") == [1, 2, 0, 1, 2]
