"""The embedding store of a run: reused, damaged, full, without permission."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest
from helpers import card, class_folders, toy_model
from stored_chunks import CHUNK, KEYS, VECTORS, stored

from goldieval.core.errors import GoldievalError
from goldieval.data.image_source import FileImage
from goldieval.engine.chunks import Chunk
from goldieval.engine.run import evaluate
from goldieval.engine.store import Store, open_store
from goldieval.records.schema import Record


def partial_files(root: Path) -> list[Path]:
    """Everything that is neither a whole chunk, a lock nor the note of the rate."""
    known = (".safetensors", ".lock", ".txt")
    return [file for file in root.rglob("*") if file.is_file() and (file.suffix not in known or file.name[0] == ".")]


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
    real = FileImage.open_planned

    def fails(image: FileImage, key: str) -> object:
        if image.file.parts[-2:] == ("cat", "0.png"):
            raise OSError(errno.EIO, "Input/output error")
        return real(image, key)

    with monkeypatch.context() as patch:
        patch.setattr(FileImage, "open_planned", fails)
        assert run(tmp_path).status == "failed"
    assert run(tmp_path).status == "ok"


def test_two_pictures_of_one_content_are_encoded_once(tmp_path: Path) -> None:
    class_folders(tmp_path / "data", {"cat": 3, "dog": 3})
    (tmp_path / "data/dog/9.png").write_bytes((tmp_path / "data/dog/1.png").read_bytes())
    record = run(tmp_path)
    assert record.data.seen["images"] == 7 and record.run.encoded["images"] == 6
