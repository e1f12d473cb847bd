"""A store that is shared, moved about or only half ours: chunks of others, permissions, file systems without locks."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from helpers import card, class_folders, toy_model
from helpers import goldieval as goldieval_command
from safetensors.numpy import save
from stored_chunks import one_by_one

import goldieval.engine.space
import goldieval.engine.store
from goldieval.core.meter import SilentMeter
from goldieval.engine.chunks import Chunk, chunks_of
from goldieval.engine.encode import encode, text_key
from goldieval.engine.space import Space
from goldieval.engine.store import Store, open_store

KEYS = [text_key(str(number)) for number in range(4)]
VECTORS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


@pytest.fixture
def run(tmp_path: Path) -> Callable[[], tuple[Any, ...]]:
    """Evaluate the toy model on the command line; returns exit code, screen and metrics."""
    class_folders(tmp_path / "data", {"cat": 3, "dog": 3})
    arguments = ["run", "--model", toy_model(tmp_path), "--tasks", str(card(tmp_path)), "--out", tmp_path / "out"]

    def ran() -> tuple[Any, ...]:
        from goldieval.records.results import load_results

        done = goldieval_command(*arguments)
        (record,) = load_results(tmp_path / "out")
        return done.code, " ".join((done.out + done.err).split()), record.metrics

    return ran


def chunks(root: Path, keys: list[str], size: int, identity: str, scale: float = 1.0) -> Store:
    store = Store(root)
    space = store.space(identity)
    for chunk in chunks_of(keys, size):
        rows = [KEYS.index(key) for key in chunk.keys]
        space.write(chunk, chunk.keys, scale * VECTORS[rows], {})
    return store


def test_a_chunk_of_another_model_is_not_taken(tmp_path: Path) -> None:
    chunks(tmp_path, KEYS, 4, "one")
    store = chunks(tmp_path, KEYS, 4, "two", scale=-1.0)
    one, two = (next((tmp_path / name).glob("*.safetensors")) for name in ("one", "two"))
    assert one.name == two.name
    ours, theirs = one.read_bytes(), two.read_bytes()
    one.write_bytes(theirs)
    two.write_bytes(ours)
    for name, scale in (("one", 1.0), ("two", -1.0)):
        space = store.space(name)
        assert space.missing(KEYS) == KEYS and space.repaired == 1 and "damaged" in space.notes[0]
        encode(
            space, chunks_of(KEYS, 4), one_by_one(lambda chunk, scale=scale: (KEYS, scale * VECTORS, {})), SilentMeter()
        )
        assert np.array_equal(space.gather(KEYS), scale * VECTORS)


def test_a_whole_folder_or_a_chunk_under_another_name_is_not_taken(tmp_path: Path) -> None:
    store = chunks(tmp_path, KEYS, 2, "one")
    first, second = sorted((tmp_path / "one").glob("*.safetensors"))
    first.replace(second)
    assert store.space("one").missing(KEYS) == KEYS
    chunks(tmp_path, KEYS, 4, "one")
    (tmp_path / "one").rename(tmp_path / "two")
    assert store.space("two").missing(KEYS) == KEYS


def test_chunks_of_an_older_version_are_encoded_again(tmp_path: Path) -> None:
    """Their checksum did not say whose they are."""
    import hashlib
    import json

    about = {"keys": "\n".join(KEYS), "failed": "{}"}
    head = json.dumps([[4, 3], "float32", about["keys"], about["failed"]])
    about["sha256"] = hashlib.sha256(head.encode() + VECTORS.tobytes()).hexdigest()
    file = tmp_path / "one" / f"{Chunk(tuple(KEYS)).name}.safetensors"
    file.parent.mkdir()
    file.write_bytes(save({"embeddings": VECTORS}, metadata=about))
    assert Store(tmp_path).space("one").missing(KEYS) == KEYS and not file.exists()


def test_swapped_chunks_give_the_same_score_and_are_said(run: Callable[[], tuple[Any, ...]], store: Path) -> None:
    _, _, before = run()
    first, second = sorted(store.rglob("*.safetensors"))
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    code, said, after = run()
    assert (code, after) == (0, before) and "damaged chunks of the embedding store" in said


def forbid(monkeypatch: pytest.MonkeyPatch, name: str, error: int, where: Any) -> None:
    """Let a function fail as for a user without permission; tests may run as one who has them all."""

    def refuse(*arguments: Any, **_: Any) -> None:
        raise OSError(error, os.strerror(error), str(arguments[0]) if arguments else None)

    monkeypatch.setattr(where, name, refuse)


def test_chunks_that_may_not_be_read_are_encoded_for_this_run(
    run: Callable[[], tuple[Any, ...]], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, before = run()
    whole = {file: file.read_bytes() for file in store.rglob("*.safetensors")}
    real = Path.open

    def refuse(file: Path, *arguments: Any, **options: Any) -> Any:
        if file in whole:
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return real(file, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        code, said, after = run()
    assert (code, after) == (0, before)
    assert "cannot be read: Permission denied" in said and "computed for this run only" in said
    assert "$GOLDIEVAL_STORE" in said and {file: file.read_bytes() for file in whole} == whole


@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES])
def test_a_store_that_may_be_read_alone_serves_what_it_has(
    run: Callable[[], tuple[Any, ...]], store: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    _, _, before = run()
    forbid(monkeypatch, "check_writable", error, goldieval.engine.store)
    forbid(monkeypatch, "atomic_write", error, goldieval.engine.space)
    forbid(monkeypatch, "utime", error, os)
    code, said, after = run()
    assert (code, after) == (0, before) and "embedding store" not in said
    for file in store.rglob("*.safetensors"):
        file.unlink()
    code, said, after = run()
    assert (code, after) == (0, before) and f"{store} cannot be written: {os.strerror(error)}" in said


@pytest.mark.parametrize("error", [NotImplementedError("no flock"), OSError(errno.ENOLCK, "No locks available")])
def test_a_store_on_a_file_system_without_locks(
    run: Callable[[], tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(FileLock, "_acquire", refuse)
    code, said, _ = run()
    assert code == 0 and "fault of" not in said


def test_embeddings_that_vanish_before_they_are_scored_are_encoded_again(
    run: Callable[[], tuple[Any, ...]], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a store with a small limit is shared by many."""
    _, _, before = run()
    gather, gone = Space.gather, []

    def vanishing(space: Space, keys: Any) -> np.ndarray:
        if not gone:
            gone.extend(store.rglob("*.safetensors"))
            for file in gone:
                file.unlink()
        return gather(space, keys)

    monkeypatch.setattr(Space, "gather", vanishing)
    code, _, after = run()
    assert gone and (code, after) == (0, before)


def test_a_chunk_that_cannot_be_removed_does_not_end_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLDIEVAL_STORE", str(tmp_path))
    monkeypatch.setenv("GOLDIEVAL_STORE_GB", "0")
    chunks(tmp_path, KEYS, 4, "one")
    forbid(monkeypatch, "unlink", errno.EACCES, Path)
    with open_store():
        pass
    assert list(tmp_path.rglob("*.safetensors"))
