"""The embedding store: exact, damaged, shared, full, forbidden."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn
from unittest import mock

import numpy as np
import pytest
import torch
from helpers import card, class_folders, toy_model
from hypothesis import given, settings
from hypothesis import strategies as st

from goldieval.core.errors import GoldievalError
from goldieval.core.meter import SilentMeter
from goldieval.data.samples import FileImage
from goldieval.engine.encode import encode, image_computer, plan_images, plan_texts, text_computer, text_key
from goldieval.engine.run import evaluate
from goldieval.engine.store import Chunk, Space, Store, chunks_of, open_store
from goldieval.models.inputs import Batching
from goldieval.records.schema import Record

KEYS = [text_key(str(number)) for number in range(5)]
CHUNK = Chunk(tuple(KEYS))
VECTORS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def stored(root: Path) -> tuple[Store, Path]:
    """A store with one chunk, and that chunk's file."""
    store = Store(root)
    store.space("one").write(CHUNK, KEYS, VECTORS, {})
    (file,) = root.rglob("*.safetensors")
    return store, file


def partial_files(root: Path) -> list[Path]:
    """Everything that is neither a whole chunk, a lock nor the note of the rate."""
    known = (".safetensors", ".lock", ".txt")
    return [file for file in root.rglob("*") if file.is_file() and (file.suffix not in known or file.name[0] == ".")]


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


@given(st.data(), st.integers(1, 40), st.integers(1, 7))
@settings(max_examples=40, deadline=None)
def test_stored_chunks_never_move_the_borders_of_the_others(data: st.DataObject, count: int, size: int) -> None:
    texts = {text_key("w" * (number % 5) + str(number)): "w" * (number % 5) + str(number) for number in range(count)}
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.multiple("goldieval.engine.encode", IMAGES_PER_CHUNK=size, TEXTS_PER_CHUNK=size),
    ):
        for plan in (plan_texts, plan_images):
            store = Store(Path(folder) / plan.__name__)
            chunks = plan(store.space("one"), texts)  # type: ignore[operator]
            assert sorted(key for chunk in chunks for key in chunk.keys) == sorted(texts)
            assert all(len(chunk.keys) == size for chunk in chunks[:-1])
            done = data.draw(st.sets(st.sampled_from(chunks)))
            for chunk in done:
                store.space("one").write(chunk, chunk.keys, np.ones((len(chunk.keys), 2)), {})
            backwards = dict(reversed(texts.items()))
            left = plan(store.space("one"), backwards)  # type: ignore[operator]
            assert left == [chunk for chunk in chunks if chunk not in done]


def test_texts_of_a_length_share_chunks(tmp_path: Path) -> None:
    texts = {text_key(text): text for text in ("aaaa", "b", "cc", "d", "eeeee", "ff")}
    with mock.patch("goldieval.engine.encode.TEXTS_PER_CHUNK", 2):
        chunks = plan_texts(Store(tmp_path).space("one"), texts)
    assert [sorted(texts[key] for key in chunk.keys) for chunk in chunks] == [
        ["b", "d"],
        ["cc", "ff"],
        ["aaaa", "eeeee"],
    ]


class Spelling:
    """A model whose embeddings show what it saw: of a text its letters added up, of a picture its first pixel."""

    def preprocess(self, image: str) -> torch.Tensor:
        return torch.tensor([float(ord(image))])

    def tokenize(self, texts: list[str]) -> torch.Tensor:
        return torch.tensor([[ord(letter) for letter in text] + [0] * (9 - len(text)) for text in texts])

    def trim(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens[:, : int((tokens != 0).sum(1).max())]

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens.sum(1, keepdim=True)


class Letter:
    """A picture that is a letter; ``x`` cannot be opened."""

    def __init__(self, letter: str) -> None:
        self.letter = letter

    def open(self) -> str:
        if self.letter == "x":
            raise OSError("broken")
        return self.letter


def test_texts_sorted_and_trimmed_keep_their_own_embedding() -> None:
    texts = {text: text for text in ("ccc", "a", "eeeeeeee", "bb", "d", "ffff")}
    compute = text_computer(Spelling(), texts, Batching(texts=2), SilentMeter())  # type: ignore[arg-type]
    keys, vectors, failed = compute(Chunk(tuple(texts)))
    assert dict(zip(keys, vectors[:, 0], strict=True)) == {text: sum(map(ord, text)) for text in texts} and not failed


def test_a_picture_that_cannot_be_opened_does_not_move_the_others() -> None:
    sources = {f"key {letter}": Letter(letter) for letter in "axbcd"}
    with ThreadPoolExecutor(2) as pool:
        compute = image_computer(Spelling(), sources, Batching(images=2), pool, SilentMeter())  # type: ignore[arg-type]
        keys, vectors, failed = compute(Chunk(tuple(sources)))
    assert dict(zip(keys, vectors[:, 0], strict=True)) == {f"key {letter}": ord(letter) for letter in "abcd"}
    assert {key: str(error) for key, error in failed.items()} == {"key x": "broken"}


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
    assert encode(space, chunks_of(KEYS, 5), lambda chunk: (KEYS, VECTORS, {}), SilentMeter()) == 5
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


def test_a_damaged_store_gives_the_same_record_in_the_same_run(tmp_path: Path, store: Path) -> None:
    before = run(tmp_path)
    chunks = sorted(store.rglob("*.safetensors"))
    assert len(chunks) == 2
    for file in chunks:
        file.write_bytes(file.read_bytes()[:-3])
    after = run(tmp_path)
    assert after.metrics == before.metrics and after.run.encoded == before.run.encoded


def run(folder: Path, **options: object) -> Record:
    """Evaluate the toy model on six pictures of two classes."""
    if not (folder / "data").exists():
        class_folders(folder / "data", {"cat": 3, "dog": 3})
    (record,) = evaluate(toy_model(folder), str(card(folder)), out=None, **options)
    return record


HOLD = """
import pathlib, sys, time
from goldieval.data.samples import FileImage
from goldieval.engine.store import Chunk, Space
with Space(pathlib.Path(sys.argv[1])).claim(Chunk(tuple(sys.argv[2:]))) as ours:
    print(ours, flush=True)
    time.sleep(600)
"""


def test_a_claim_excludes_other_processes_and_dies_with_its_holder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path), *KEYS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None and holder.stdout.readline() == "True\n"
            with Space(tmp_path).claim(CHUNK) as ours:
                assert not ours
            with Space(tmp_path).claim(Chunk(("another",))) as ours:
                assert ours
        finally:
            holder.kill()
    for _ in range(2):
        with Space(tmp_path).claim(CHUNK) as ours:
            assert ours


def test_a_chunk_that_another_process_finished_is_not_encoded_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    slow, fast = store.space("one"), store.space("one")
    chunks = chunks_of(KEYS, 2)

    def compute(chunk: Chunk) -> tuple[list[str], np.ndarray, dict[str, str]]:
        if chunk is chunks[1]:  # meanwhile, elsewhere
            fast.write(chunks[2], chunks[2].keys, VECTORS[4:], {})
        return list(chunk.keys), np.stack([VECTORS[KEYS.index(key)] for key in chunk.keys]), {}

    assert encode(slow, chunks, compute, SilentMeter()) == 4
    assert np.array_equal(slow.gather(KEYS), VECTORS)
    assert not list(tmp_path.rglob("*.lock"))


def test_the_chunks_unused_for_longest_leave_a_full_store(tmp_path: Path) -> None:
    store = Store(tmp_path)
    space = store.space("one")
    for number, key in enumerate(KEYS):
        space.write(Chunk((key,)), [key], VECTORS[number : number + 1], {})
        os.utime(space.folder / f"{Chunk((key,)).name}.safetensors", (number, number))
    space.refresh()
    assert store.trim() == 0
    space.gather([KEYS[0]])
    size = next(tmp_path.rglob("*.safetensors")).stat().st_size
    store.limit_gb = 2.5 * size / 1e9
    assert store.trim() == 3 * size
    assert store.space("one").missing(KEYS) == KEYS[1:4]


def test_a_chunk_that_another_process_takes_away_does_not_stop_the_trimming(tmp_path: Path) -> None:
    store, file = stored(tmp_path)
    file.with_name("gone.safetensors").symlink_to(tmp_path / "nowhere")  # listed, and not there when looked at
    store.limit_gb = 0
    assert store.trim() > 0 and not file.exists()


def test_the_cap_is_kept_after_a_run(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLDIEVAL_STORE_GB", "0")
    assert run(tmp_path).status == "ok"
    assert not list(store.rglob("*.safetensors"))


@pytest.mark.parametrize("size", ["much", "nan", "-1", "20GB"])
def test_a_cap_that_is_no_size_is_one_clear_line(tmp_path: Path, size: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLDIEVAL_STORE_GB", size)
    with pytest.raises(GoldievalError, match=r"^\$GOLDIEVAL_STORE_GB .*'" + size + r"'\.$"), open_store() as store:
        store.space("one")


def test_a_cap_may_be_infinite_or_a_fraction(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in ("inf", "0.5"):
        monkeypatch.setenv("GOLDIEVAL_STORE_GB", size)
        with open_store() as store:
            store.space("one").write(CHUNK, KEYS, VECTORS, {})
        assert list(store.root.rglob("*.safetensors"))


def test_a_store_that_cannot_be_written_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("GOLDIEVAL_STORE", str(file / "store"))
    with pytest.raises(GoldievalError, match=r"cannot write to the embedding store .*--no-cache") as error:
        run(tmp_path)
    assert "\n" not in str(error.value)


def full(*_: object) -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_no_partial_file_and_the_next_run_goes_on(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(
            GoldievalError, match=r"cannot write embeddings: No space left .*\$GOLDIEVAL_STORE"
        ) as error:
            run(tmp_path)
    assert "\n" not in str(error.value)
    assert not list(store.rglob("*.safetensors")) and not partial_files(store)
    assert run(tmp_path).run.encoded == {"images": 6, "texts": 2}


def test_without_cache_nothing_is_used_or_left(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    assert run(tmp_path, cache=False).run.encoded == {"images": 6, "texts": 2}
    assert not store.exists() and not list(scratch.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(GoldievalError):
            run(tmp_path, cache=False)
    assert not list(scratch.iterdir())


def test_the_second_run_encodes_nothing_and_says_so(tmp_path: Path) -> None:
    first, second = run(tmp_path), run(tmp_path)
    assert (first.run.encoded, first.run.reused) == ({"images": 6, "texts": 2}, {"images": 0, "texts": 0})
    assert (second.run.encoded, second.run.reused) == (first.run.reused, first.run.encoded)
    assert second.metrics == first.metrics


def test_a_picture_that_could_not_be_read_for_a_moment_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be decoded is a property of the content and may be kept; a network drive's bad moment is not."""
    real = FileImage.open

    def fails(image: FileImage) -> object:
        if image.file.parts[-2:] == ("cat", "0.png"):
            raise OSError(errno.EIO, "Input/output error")
        return real(image)

    with monkeypatch.context() as patch:
        patch.setattr(FileImage, "open", fails)
        assert run(tmp_path).status == "failed"
    assert run(tmp_path).status == "ok"


def test_two_pictures_of_one_content_are_encoded_once(tmp_path: Path) -> None:
    class_folders(tmp_path / "data", {"cat": 3, "dog": 3})
    (tmp_path / "data/dog/9.png").write_bytes((tmp_path / "data/dog/1.png").read_bytes())
    record = run(tmp_path)
    assert record.data.seen["images"] == 7 and record.run.encoded["images"] == 6
