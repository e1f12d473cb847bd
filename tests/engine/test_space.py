"""Chunks of embeddings on disk: exact, damaged, locked by another process."""

from __future__ import annotations

import errno
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from stored_chunks import CHUNK, KEYS, VECTORS, one_by_one, stored

from goldieval.core.meter import SilentMeter
from goldieval.engine.chunks import Chunk, chunks_of
from goldieval.engine.encode import encode
from goldieval.engine.space import Space
from goldieval.engine.store import Store


def test_what_was_written_is_gathered_in_any_order(tmp_path: Path) -> None:
    store, _ = stored(tmp_path)
    store.space("one").write(Chunk(("x", "bad")), ["x"], np.ones((1, 3)), {"bad": "no picture"})
    space = store.space("one")
    rows = [3, 0, 3, 4]
    expected = np.vstack([VECTORS[rows], np.ones(3)])
    assert np.array_equal(space.gather([*(KEYS[row] for row in rows), "x"]), expected)
    assert space.failed == {"bad": "no picture"}
    assert space.missing(["new", "bad", *KEYS, "new", "x"]) == ["new"]
    assert store.space("another").missing(KEYS) == KEYS
    with pytest.raises(KeyError):
        space.gather(["new"])


def test_rows_are_found_by_key_where_the_model_encoded_in_another_order(tmp_path: Path) -> None:
    space = Store(tmp_path).space("one")
    space.write(CHUNK, KEYS[::-1], VECTORS[::-1], {})
    space.refresh()
    assert np.array_equal(space.gather(KEYS), VECTORS)


DAMAGE = {
    "a flipped bit of a number": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "truncated": lambda content: content[:-7],
    "truncated in the header": lambda content: content[:40],
    "empty": lambda content: b"",
    "zeros, as after a power cut": lambda content: bytes(len(content)),
    "another file": lambda content: b"not a chunk at all",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_counted_and_mended(tmp_path: Path, damage: str) -> None:
    store, file = stored(tmp_path)
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    space = store.space("one")
    assert (space.repaired, space.missing(KEYS), file.exists()) == (1, KEYS, False)
    assert encode(space, chunks_of(KEYS, 5), one_by_one(lambda chunk: (KEYS, VECTORS, {})), SilentMeter()) == 5
    assert np.array_equal(space.gather(KEYS), VECTORS)


def test_damage_that_happens_after_the_plan_is_never_served(tmp_path: Path) -> None:
    store, file = stored(tmp_path)
    space = store.space("one")
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(KeyError):
        space.gather(KEYS)
    assert (space.repaired, space.missing(KEYS)) == (1, KEYS)


def test_no_flipped_bit_anywhere_gives_another_embedding(tmp_path: Path) -> None:
    """Also in the header, where it may hit a key or a separator of keys: found, or the content counts as missing."""
    Store(tmp_path).space("one").write(Chunk(("a", "b", "c")), ["a", "b", "c"], VECTORS[:3], {})
    (file,) = tmp_path.rglob("*.safetensors")
    whole, wrong = file.read_bytes(), []
    for place, bit in ((place, bit) for place in range(len(whole)) for bit in range(8)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        space = Space(file.parent)
        space.refresh()
        there = [row for row, key in enumerate("abc") if not space.missing([key])]
        if space.failed or (there and not np.array_equal(space.gather(["abc"[row] for row in there]), VECTORS[there])):
            wrong.append((place, bit))
    assert wrong == []


HOLD = """
import pathlib, sys, time
from goldieval.data.image_source import FileImage
from goldieval.engine.chunks import Chunk
from goldieval.engine.space import Space
with Space(pathlib.Path(sys.argv[1])).claim(Chunk(tuple(sys.argv[2:]))) as acquired:
    print(acquired, flush=True)
    time.sleep(600)
"""


def test_a_claim_excludes_other_processes_and_dies_with_its_holder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path), *KEYS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None and holder.stdout.readline() == "True\n"
            with Space(tmp_path).claim(CHUNK) as acquired:
                assert not acquired
            with Space(tmp_path).claim(Chunk(("another",))) as acquired:
                assert acquired
        finally:
            holder.kill()
    for _ in range(2):
        with Space(tmp_path).claim(CHUNK) as acquired:
            assert acquired


def test_a_chunk_whose_holder_is_gone_is_encoded_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A network file system may keep the locks of a machine that is gone."""
    holder, other = Space(tmp_path), Space(tmp_path)
    with holder.claim(CHUNK) as held, other.claim(CHUNK) as acquired:
        assert held and not acquired
        monkeypatch.setattr("goldieval.engine.space.LONGEST_CHUNK_S", 0.5)
        with caplog.at_level(logging.WARNING, "goldieval"):
            encoder = one_by_one(lambda chunk: (KEYS, VECTORS, {}))
            assert encode(other, chunks_of(KEYS, 5), encoder, SilentMeter()) == 5
    assert np.array_equal(other.gather(KEYS), VECTORS) and f"{CHUNK.name}.lock has been held" in caplog.text


def test_a_chunk_that_another_machine_removes_while_it_is_read_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = stored(tmp_path)

    def stale(file: Path) -> None:
        raise OSError(errno.ESTALE, "Stale file handle", str(file))

    monkeypatch.setattr("goldieval.engine.space.read_chunk", stale)
    space = store.space("one")
    assert space.missing(KEYS) == KEYS and not space.unusable and not space.repaired
