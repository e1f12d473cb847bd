"""Readers: shards under any name, with captions in .json and labels that are names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers import png_bytes, tar
from reader_cases import captions_of, labels_of, read, refused, source


def sample(number: int, **content: Any) -> dict[str, bytes]:
    """Return a sample as img2dataset writes it."""
    key = f"{number:09d}"
    about = {"key": key, "status": "success"} | content
    return {f"{key}.png": png_bytes(number), f"{key}.json": json.dumps(about).encode()}


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    for shard in range(3):
        members = sample(10 * shard, caption=f"one of {shard}\nin two lines") | sample(10 * shard + 1, caption="two")
        tar(tmp_path / f"{shard:05d}.tar", members)
    return tmp_path


@pytest.mark.parametrize("pattern", ["{00000..00002}.tar", "*.tar", "0000[0-2].tar", "{00000,00001,00002}.tar"])
def test_shards_are_found_by_pattern_and_captions_in_json_stay_whole(shards: Path, pattern: str) -> None:
    dataset = read(shards, "webdataset", shards=pattern, caption="caption")
    assert captions_of(dataset)["000000010"] == ["one of 1\nin two lines"] and len(dataset.images) == 6


@pytest.mark.parametrize("pattern", ["../*.tar", "/{a,b}.tar", "{a,b}/../../c.tar"])
def test_a_pattern_that_leaves_the_folder_is_refused(shards: Path, pattern: str) -> None:
    with pytest.raises(Exception, match=r"leaves|outside|\.\."):
        read(shards, "webdataset", shards=pattern, caption="caption")


@pytest.mark.parametrize("pattern", ["{0..99999999}.tar", "{a.tar", "{{{{{{{{{{a}}}}}}}}}}.tar"])
def test_an_absurd_pattern_is_refused(shards: Path, pattern: str) -> None:
    assert "source.shards: " in refused(shards, "webdataset", shards=pattern, caption="caption")


def test_missing_shards_are_named(shards: Path) -> None:
    assert source("webdataset", shards="{00000..00004}.tar").missing(shards) == ["00003.tar", "00004.tar"]
    assert source("webdataset", shards="x*.tar").missing(shards) == ["x*.tar"]


def test_samples_without_an_image_or_caption_are_left_out_and_counted(tmp_path: Path) -> None:
    members = sample(0, caption="a") | sample(1, caption=None) | sample(2, caption=["b", None, "c"])
    members |= {"9.json": json.dumps({"caption": "failed", "status": "failed_to_download"}).encode()}
    tar(tmp_path / "x.tar", members)
    options = {"shards": "x.tar", "caption": "caption"}
    assert "sample 000000001: empty caption" in refused(tmp_path, "webdataset", **options)
    dataset = read(tmp_path, "webdataset", uncaptioned="leave out", **options)
    assert captions_of(dataset) == {"000000000": ["a"], "000000002": ["b", "c"]}
    assert [note.partition(": ")[2] for note in dataset.notes] == [
        "1 .json (a sample without an image)",
        "1 captions (a missing value beside others)",
        "1 image without a caption: 000000001",
    ]
    assert len(read(tmp_path, "webdataset", uncaptioned="keep", **options).images) == 3


def test_labels_may_be_names_or_keys_of_json(tmp_path: Path) -> None:
    members = {
        f"{n}.{kind}": data for n in (0, 1) for kind, data in (("png", png_bytes(n)), ("cls", b"dog cat".split()[n]))
    }
    tar(tmp_path / "a.tar", members)
    dataset = read(tmp_path, "webdataset", shards="a.tar")
    assert labels_of(dataset) == {"0": 1, "1": 0} and dataset.class_names == ["cat", "dog"]
    tar(tmp_path / "b.tar", sample(0, kind="dog") | sample(1, kind="cat"))
    assert read(tmp_path, "webdataset", shards="b.tar", label="kind").class_names == ["cat", "dog"]
    (tmp_path / "classnames.txt").write_text("dog\ncat\n")
    assert labels_of(read(tmp_path, "webdataset", shards="b.tar", label="kind")) == {"000000000": 0, "000000001": 1}


def test_equal_keys_of_two_shards_have_the_shard_in_their_id(tmp_path: Path) -> None:
    for name in ("a/0", "b/0"):
        tar(tmp_path / f"{name}.tar", sample(0, caption=name))
    dataset = read(tmp_path, "webdataset", shards="*/0.tar", caption="caption")
    assert captions_of(dataset) == {"a/0/000000000": ["a/0"], "b/0/000000000": ["b/0"]}


@pytest.mark.parametrize("content", [b"[1]", b"{", b"\xff", b'{"other": 1}'])
def test_json_that_holds_no_caption_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    tar(tmp_path / "x.tar", {"a.png": png_bytes(), "a.json": content})
    assert "sample a" in refused(tmp_path, "webdataset", shards="x.tar", caption="caption")
