"""The index of shards is kept: a shard's headers are read once, and again whenever anything is doubtful."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from training_samples import jpeg, row, shard, shards, tokenizer

from goldieval.core.errors import TaskError
from goldieval.goldiclip.data import index_file, open_tars, shard_index
from goldieval.goldiclip.data.corpus import BadSampleError
from goldieval.goldiclip.data.index_file import file_of
from goldieval.goldiclip.data.shards import Shards


def said(folder: Path | str) -> list[str]:
    """Open the shards; return the first sentence of every sample, in order."""
    corpus = Shards(str(folder), tokenizer())
    return [tokenizer().decode(corpus.sample(place).sentences[0]).strip() for place in range(len(corpus))]


def said_of(corpus: Shards, place: int) -> str:
    """Return the beginning of the first sentence of a sample."""
    return " ".join(tokenizer().decode(corpus.sample(place).sentences[0]).split()[:2])


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
    with index_file.safe_open(str(file), framework="pt") as stored:
        about = stored.metadata()
    save_file({**parts, "rows": parts["rows"][:-1].contiguous()}, file, about)


@pytest.mark.parametrize("spoil", [truncated, foreign, without_a_row, Path.unlink])
def test_a_doubtful_file_is_made_anew(spoil: Callable[[Path], None], tmp_path: Path, read: list[str]) -> None:
    shards(tmp_path, [2, 3])
    numbers(tmp_path)
    spoil(file_of(str(tmp_path)))
    read.clear()
    assert numbers(tmp_path) == [0, 1, 2, 3, 4] and len(read) == 2
    assert numbers(tmp_path) == [0, 1, 2, 3, 4] and len(read) == 2  # and kept again


def test_a_damaged_offset_is_found_where_its_shard_is_read(tmp_path: Path, read: list[str]) -> None:
    """Not at the start, which would read all of a large index in every process."""
    shards(tmp_path, [2, 3])
    numbers(tmp_path)
    flipped(file_of(str(tmp_path)))
    read.clear()
    assert numbers(tmp_path) == [0, 1, 2, 3, 4] and read == ["00001.tar"]
    shard(tmp_path / "00002.tar", {"000005": {"jpg": jpeg(5), "json": row(5)}})
    read.clear()
    assert numbers(tmp_path) == [0, 1, 2, 3, 4, 5] and read == ["00001.tar", "00002.tar"]
    read.clear()
    assert numbers(tmp_path) == [0, 1, 2, 3, 4, 5] and read == []  # repaired


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

    monkeypatch.setattr(index_file, "atomic_write", full)
    shards(tmp_path, [2])
    assert numbers(tmp_path) == [0, 1] and not file_of(str(tmp_path)).exists()


def test_a_damaged_shard_is_left_out_and_read_when_it_is_repaired(tmp_path: Path, read: list[str]) -> None:
    shards(tmp_path, [2, 2, 2])
    whole = (tmp_path / "00001.tar").read_bytes()
    (tmp_path / "00001.tar").write_bytes(whole[:1000])
    for _ in range(2):
        corpus = Shards(str(tmp_path), tokenizer())
        assert len(corpus) == 4 and [bad.where for bad in corpus.bad] == [str(tmp_path / "00001.tar")]
        assert corpus.bad[0].kind == "unreadable shard" and "end-of-archive mark" in corpus.bad[0].what
    assert read == ["00000.tar", "00001.tar", "00002.tar"]  # what is damaged is not read at every start
    (tmp_path / "00001.tar").write_bytes(whole)
    assert numbers(tmp_path) == [0, 1, 2, 3, 4, 5] and read[3:] == ["00001.tar"]


def test_a_shard_that_cannot_be_read_now_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(shard: Path) -> object:
        raise TaskError(f"{shard} is not a readable tar file: Input/output error.") from OSError(
            5, "Input/output error"
        )

    shards(tmp_path, [2, 2])
    samples_of = shard_index.samples_of
    sick = lambda shard: failing(shard) if shard.name == "00001.tar" else samples_of(shard)  # noqa: E731
    monkeypatch.setattr(shard_index, "samples_of", sick)
    corpus = Shards(str(tmp_path), tokenizer())
    assert len(corpus) == 2 and "Input/output error" in corpus.bad[0].what
    monkeypatch.setattr(shard_index, "samples_of", samples_of)
    assert numbers(tmp_path) == [0, 1, 2, 3] and Shards(str(tmp_path), tokenizer()).bad == []


@pytest.mark.parametrize("fault", ["cut", "gone", "text"])
def test_samples_of_a_shard_that_was_damaged_later_keep_their_places(fault: str, tmp_path: Path) -> None:
    """A training that goes on has the epochs that it had; the pattern names the shard that is gone."""
    shards(tmp_path, [2, 3, 2])
    pattern, damaged = f"{tmp_path}/{{00000..00002}}.tar", tmp_path / "00001.tar"
    before = Shards(pattern, tokenizer())
    if fault == "gone":
        damaged.unlink()
    else:
        damaged.write_bytes(damaged.read_bytes()[:1000] if fault == "cut" else b"text")
    for corpus in (Shards(pattern, tokenizer()), Shards(pattern, tokenizer())):
        assert len(corpus) == len(before) == 7 and [*corpus.order(5)] == [*before.order(5)]
        assert [bad.where for bad in corpus.bad] == [str(damaged)]
        failures = set()
        for place in (2, 3, 4):
            with pytest.raises(BadSampleError) as failure:
                corpus.sample(place)
            failures.add(failure.value.bad)
        assert failures == set(corpus.bad)
        assert said_of(corpus, 5) == "thing 5"


@pytest.mark.parametrize("fault", ["gone", "replaced", "cut"])
def test_a_shard_that_breaks_while_it_is_read_counts_once(fault: str, tmp_path: Path) -> None:
    shards(tmp_path, [2, 3, 2])
    corpus, damaged = Shards(str(tmp_path), tokenizer()), tmp_path / "00001.tar"
    if fault == "gone":
        damaged.unlink()
    elif fault == "replaced":
        shard(damaged, {"000009": {"jpg": jpeg(9), "json": row(9)}})
    else:
        assert said_of(corpus, 2) == "thing 2"  # it is open now
        os.truncate(damaged, 1000)
    found = []
    for place in (3, 4, 3):
        with pytest.raises(BadSampleError) as failure:
            corpus.sample(place)
        found.append(failure.value.bad)
    assert len(set(found)) == 1 and found[0].where == str(damaged) and found[0].is_shard
    assert [said_of(corpus, place) for place in (1, 5)] == ["thing 1", "thing 5"]


def test_a_few_tars_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_tars, "MOST_OPEN", 3)
    corpus = Shards(str(shards(tmp_path, [1] * 8)), tokenizer())
    before = len(os.listdir("/proc/self/fd"))
    for place in (0, 1, 2, 3, 4, 5, 6, 7, 0, 7):
        assert said_of(corpus, place) == f"thing {place}"
        assert len(os.listdir("/proc/self/fd")) - before <= 3


def test_a_shard_named_twice_has_its_rows_twice(tmp_path: Path) -> None:
    folder = shards(tmp_path, [1, 2])
    for _ in range(2):
        assert numbers(f"{folder}/{{00001,./00000,../{folder.name}/00001}}.tar") == [1, 2, 0, 1, 2]
