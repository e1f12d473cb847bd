"""Processes on several machines train on the same data, or do not start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from helpers import one_line
from training_samples import image_text_folder, shards, tokenizer

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.agreement import Agreement
from goldieval.goldiclip.data.jsonl import JsonLines
from goldieval.goldiclip.data.shards import Shards
from goldieval.goldiclip.data.sources import AnyCorpus, check_same_data
from goldieval.goldiclip.data.stream.shards import StreamedShards


def said(*corpora: AnyCorpus) -> str:
    """Return what rank 0 of several says, each of which has a corpus."""
    agreement = Agreement()
    everyone: Any = [corpus.extent() for corpus in corpora]
    agreement.exchanged = lambda value: everyone  # type: ignore[method-assign]
    try:
        check_same_data(corpora[0], agreement)
    except GoldievalError as error:
        return one_line(str(error))
    return ""


def test_shards_of_other_machines(tmp_path: Path) -> None:
    here, copy, fewer, moved = (
        Shards(str(shards(tmp_path / name, counts)), tokenizer())
        for name, counts in (("here", [3, 2]), ("copy", [3, 2]), ("fewer", [3]), ("moved", [2, 3]))
    )
    assert said(here, copy) == ""
    line = said(here, copy, fewer)
    assert "rank 0 has 5 samples in 2 shards" in line and "rank 2 has 3 samples in 1 shard" in line
    assert "rank 1 has 5 samples" in said(here, moved)


def test_a_shard_that_broke_on_one_machine_keeps_its_places(tmp_path: Path) -> None:
    here, there = (Shards(str(shards(tmp_path / name, [3, 2])), tokenizer()) for name in ("here", "there"))
    broken = tmp_path / "there/00001.tar"
    broken.write_bytes(broken.read_bytes()[:700])
    again = Shards(str(tmp_path / "there"), tokenizer())
    assert again.bad and said(here, there, again) == ""


def test_other_data_differ_too(tmp_path: Path) -> None:
    rows = [JsonLines(image_text_folder(tmp_path / str(n), n), tokenizer()) for n in (4, 5)]
    assert "rank 0 has 4 samples" in said(*rows) and said(rows[0], rows[0]) == ""
    streams = [StreamedShards(f"https://me:{key}@host/{name}.tar", 9, tokenizer()) for key, name in ("1a", "2a", "1b")]
    assert said(streams[0], streams[1]) == ""  # passwords may differ
    assert "9 samples in 1 shard" in said(streams[0], streams[2])
