"""Readers: shards of web datasets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import png_bytes, tar
from reader_cases import CAPTIONS, captions_of, labels_of, read, refused, source

pytestmark = pytest.mark.usefixtures("cache")


def _labelled(*labels: int, start: int = 0) -> dict[str, bytes]:
    members = {}
    for number, label in enumerate(labels, start):
        members |= {f"s{number}.png": png_bytes(number), f"s{number}.cls": str(label).encode()}
    return members


def _shards(folder: Path, *shards: dict[str, bytes], names: str = "dog\ncat\n") -> Path:
    for number, members in enumerate(shards):
        tar(folder / "test" / f"{number}.tar", members)
    (folder / "test" / "nshards.txt").write_text(f"{len(shards)}\n")
    (folder / "classnames.txt").write_text(names)
    return folder


def test_webdataset_reads_labels_over_shards(tmp_path: Path) -> None:
    dataset = read(_shards(tmp_path, _labelled(0, 1), _labelled(1, start=2)), "webdataset")
    assert dataset.class_names == ["dog", "cat"] and list(labels_of(dataset).values()) == [0, 1, 1]
    assert [np.asarray(image.source.open())[0, 0, 0] for image in dataset.images] == [
        np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)[0, 0, 0] for seed in range(3)
    ]


def test_webdataset_reads_one_caption_per_line(tmp_path: Path) -> None:
    members = {}
    for row, texts in enumerate(CAPTIONS.values()):
        members |= {f"./s{row}.jpg": png_bytes(row), f"./s{row}.txt": "\n".join(texts).encode()}
    dataset = read(_shards(tmp_path, members), "webdataset")
    assert list(captions_of(dataset).values()) == list(CAPTIONS.values())


def test_webdataset_ids_do_not_depend_on_the_order_in_a_shard(tmp_path: Path) -> None:
    members = _labelled(0, 1, 1, 0)
    first = read(_shards(tmp_path / "a", members), "webdataset")
    again = read(_shards(tmp_path / "b", dict(reversed(members.items()))), "webdataset")
    assert labels_of(first) == labels_of(again)
    assert [image.id for image in first.images] != [image.id for image in again.images]


def test_webdataset_ids_do_not_depend_on_how_samples_are_spread_over_shards(tmp_path: Path) -> None:
    first = read(_shards(tmp_path / "a", _labelled(0, 1)), "webdataset")
    again = read(_shards(tmp_path / "b", _labelled(0), _labelled(1, start=1)), "webdataset")
    assert labels_of(first) == labels_of(again)


def test_webdataset_samples_may_lie_in_folders_with_dots(tmp_path: Path) -> None:
    members = {"v1.0/s0.png": png_bytes(), "v1.0/s0.cls": b"1", "v2.0/s0.png": png_bytes(1), "v2.0/s0.cls": b"0"}
    assert list(labels_of(read(_shards(tmp_path, members), "webdataset")).values()) == [1, 0]


@pytest.mark.parametrize(
    ("members", "line"),
    [
        ({"s0.png": b"x"}, "sample s0 has neither a .cls nor a .txt file"),
        ({"s0.cls": b"0"}, "sample s0 has no image, only .cls"),
        ({"s0.png": b"x", "s0.cls": b"cat"}, "sample s0: label 'cat' is not a class index"),
        ({"s0.png": b"x", "s0.cls": b"2"}, "1 labels outside 0..1: "),
        ({"s0.png": b"x", "s0.txt": b"a\n\nb"}, "sample s0: empty caption in .txt"),
        ({}, "no images found"),
    ],
)
def test_fault_in_a_shard_is_named_with_its_sample(tmp_path: Path, members: dict[str, bytes], line: str) -> None:
    assert line in refused(_shards(tmp_path, members), "webdataset")


@pytest.mark.parametrize("kept", [100, 512 + 30, 1024 + 512 + 1])
def test_shard_that_is_cut_off_is_refused_by_name(tmp_path: Path, kept: int) -> None:
    file = _shards(tmp_path, _labelled(0, 1)) / "test" / "0.tar"
    file.write_bytes(file.read_bytes()[:kept])
    assert "0.tar is not a readable tar" in refused(tmp_path, "webdataset")


def test_shard_that_is_cut_off_between_two_samples_is_refused(tmp_path: Path) -> None:
    file = _shards(tmp_path, _labelled(0, 1)) / "test" / "0.tar"
    one_sample = 4 * 512  # a picture below 512 bytes and a label, each with its header
    assert len(png_bytes()) <= 512
    file.write_bytes(file.read_bytes()[:one_sample])
    assert "0.tar" in refused(tmp_path, "webdataset")


def test_shard_that_is_not_a_tar_is_refused(tmp_path: Path) -> None:
    file = _shards(tmp_path, _labelled(0)) / "test" / "0.tar"
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1\n" * 30)
    assert "0.tar is not a readable tar" in refused(tmp_path, "webdataset")


@pytest.mark.parametrize("text", ["two", "", "1 2", "-1"])
def test_number_of_shards_that_is_not_a_number_is_refused(tmp_path: Path, text: str) -> None:
    (_shards(tmp_path, _labelled(0)) / "test" / "nshards.txt").write_text(text)
    assert "should hold the number of shards" in refused(tmp_path, "webdataset")


def test_absent_shards_are_reported_as_missing(tmp_path: Path) -> None:
    assert source("webdataset").missing(tmp_path) == ["test/nshards.txt"]
    (_shards(tmp_path, _labelled(0)) / "test" / "nshards.txt").write_text("3\n")
    assert source("webdataset").missing(tmp_path) == ["test/1.tar", "test/2.tar"]
