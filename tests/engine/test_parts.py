"""Finished parts of tasks: kept by identity, found by any process, never taken for those of another task."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import goldieval.engine.parts as module
from goldieval import evaluate
from goldieval.engine.parts import StoredParts
from goldieval.models.inputs import Batching

ARRAYS = {"areas": np.arange(8).reshape(4, 2), "small": np.frombuffer(b"png", dtype=np.uint8), "empty": np.empty(0)}


def stored(folder: Path, *numbers: int) -> Path:
    """Write parts as one process does; return its file."""
    before = set(folder.glob("*"))
    parts = StoredParts(folder)
    for number in numbers:
        parts.add(number, {**ARRAYS, "number": np.array([number])})
    parts.flush()
    (file,) = set(folder.glob("*")) - before
    return file


def found(folder: Path) -> list[int]:
    return [number for number in range(20) if StoredParts(folder).get(number) is not None]


def test_parts_of_several_processes_are_found_with_their_bits(tmp_path: Path) -> None:
    for numbers in ((0, 2), (1,), (1, 7)):
        stored(tmp_path / "id", *numbers)
    assert found(tmp_path / "id") == [0, 1, 2, 7] and found(tmp_path / "other") == []
    part = StoredParts(tmp_path / "id").get(7)
    assert part is not None and part.keys() == {*ARRAYS, "number"}
    for name, array in ARRAYS.items():
        assert part[name].dtype == array.dtype and np.array_equal(part[name], array)


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "other"])
def test_damaged_files_and_those_of_another_task_are_removed(damage: str, tmp_path: Path) -> None:
    file, good = stored(tmp_path / "id", 0, 1), stored(tmp_path / "id", 2)
    content = file.read_bytes()
    if damage == "other":
        file.unlink()
        file = stored(tmp_path / "another", 0, 1).rename(file)
    else:
        changed = {"flipped": content[:-1] + bytes([content[-1] ^ 1]), "cut": content[:50], "empty": b""}
        file.write_bytes(changed[damage])
    assert found(tmp_path / "id") == [2]
    assert list((tmp_path / "id").iterdir()) == [good]


def test_a_full_disk_is_one_line_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(module, "atomic_write", refuse)
    parts = StoredParts(tmp_path / "id")
    with caplog.at_level(logging.WARNING, "goldieval"):
        parts.add(0, ARRAYS)
        parts.flush()
        parts.flush()
    assert len(caplog.records) == 1 and os.strerror(errno.EDQUOT) in caplog.text


def test_parts_are_written_at_intervals_and_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLUSH_S", 0.0)
    parts = StoredParts(tmp_path / "id")
    parts.add(0, ARRAYS)
    assert found(tmp_path / "id") == [0]
    monkeypatch.setattr(module, "MOST_BYTES", 10)
    parts.add(1, ARRAYS)
    assert found(tmp_path / "id") == [0]
    parts.remove()
    assert not (tmp_path / "id").exists()


CARDS = {
    "segmentation": {
        "source": {"content": "segmentation", "scenes": 12},
        "headline": "miou",
        "params": {"prompts": ["a {c}"], "short_side": 64, "crop": 64, "stride": 32},
    },
    "vqa": {"source": {"content": "vqa", "scenes": 40, "resolution": 32}, "headline": "accuracy"},
}


class Stopped(KeyboardInterrupt):
    """Ends a run in the middle, like Ctrl-C."""


def _model(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[int]]:
    """Return a model with its calls; it is stopped at the call before which the number of calls left is 0."""
    from waiting_model import load

    model, left = load(None, None), [10**9]

    def counted(real: Any) -> Any:
        def call(*arguments: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Stopped
            return real(*arguments)

        return call

    for name in ("dense", "generate"):
        monkeypatch.setattr(model, name, counted(getattr(model, name)), raising=False)
    return model, left


@pytest.mark.parametrize("family", CARDS)
def test_a_task_continues_after_what_was_finished(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    card = {
        "name": "some",
        "version": 1,
        "protocol": "some",
        "title": "Some",
        "licence": "Apache-2.0",
        "family": family,
    }
    card |= CARDS[family] | {"source": {"reader": "shapes", "split": "test"} | CARDS[family]["source"]}
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(card))
    model, left = _model(monkeypatch)

    def run(calls: int, **options: Any) -> Any:
        left[0] = calls
        (record,) = evaluate(model, str(tmp_path / "card.yaml"), device="cpu", batching=Batching(16, 32, 1), **options)
        return record, calls - left[0]

    run(10**9, out=None)
    assert not (store / "parts").exists()
    whole, needed = run(10**9, out=tmp_path / "whole", cache=False)
    assert whole.status == "ok" and needed > 5
    with pytest.raises(Stopped):
        run(needed // 2, out=tmp_path / "out", cache=False)
    assert not (store / "parts").exists()
    for _ in range(2):  # the second goes on where the first was stopped
        with pytest.raises(Stopped):
            run(needed // 3, out=tmp_path / "out")
    other, calls = run(10**9, out=tmp_path / "other", limit=8)
    assert calls < needed and other.metrics != whole.metrics
    record, calls = run(10**9, out=tmp_path / "out")
    assert 0 < calls < needed / 2
    assert (record.metrics, record.outcomes) == (whole.metrics, whole.outcomes)
    assert not (store / "parts").exists()
