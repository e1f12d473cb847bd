"""What was read is known to be unchanged only if every file, absence and name is as it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from goldieval.core import reads
from goldieval.core.reads import is_unchanged, note_names, note_read, note_tree, recorded_reads


@pytest.fixture(autouse=True)
def settled_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "RACY_NS", 0)


def folder_of(place: Path) -> Path:
    """Write a folder as the Hub's cache has them: references, and snapshots that are links to contents."""
    for file, content in {"refs/main": "1", "blobs/a": "weights", "snapshots/1/other": "x"}.items():
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        (place / file).write_text(content)
        os.utime(place / file, ns=(1, 1))  # so that any writing shows, even within a tick of the clock
    (place / "snapshots/1/model").symlink_to("../../blobs/a")
    return place


CHANGES: dict[str, Callable[[Path], object]] = {
    "another reference": lambda place: (place / "refs/main").write_text("2"),
    "another content": lambda place: (place / "blobs/a").write_text("WEIGHTS"),
    "a new file": lambda place: (place / "snapshots/1/new").write_text(""),
    "a new folder": lambda place: (place / "snapshots/2").mkdir(),
    "a file less": lambda place: (place / "snapshots/1/other").unlink(),
    "a file that became a folder": lambda place: (
        (place / "snapshots/1/other").unlink(),
        (place / "snapshots/1/other").mkdir(),
    ),
    "another target": lambda place: (
        (place / "blobs/b").write_text("weights"),
        (place / "snapshots/1/model").unlink(),
        (place / "snapshots/1/model").symlink_to("../../blobs/b"),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_anywhere_in_a_tree_shows(change: str, tmp_path: Path) -> None:
    place = folder_of(tmp_path / "models--a--b")
    with recorded_reads() as found:
        note_tree(place)
    assert found.reusable and is_unchanged(found.as_dict())
    CHANGES[change](place)
    assert not found.reusable and not is_unchanged(found.as_dict())


def test_a_file_that_appears_and_a_folder_with_other_names_show(tmp_path: Path) -> None:
    with recorded_reads() as found:
        note_read(tmp_path / "config.json")
        note_names(tmp_path / "missing")
    assert found.reusable
    (tmp_path / "missing").mkdir()
    assert not is_unchanged(found.as_dict())
    (tmp_path / "missing").rmdir()
    assert is_unchanged(found.as_dict())
    (tmp_path / "config.json").write_text("{}")
    assert not is_unchanged(found.as_dict())


def test_times_alone_and_two_states_of_one_file_show(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("a")
    with recorded_reads() as found:
        note_read(file)
        os.utime(file, ns=(1, 1))
    assert not found.reusable  # it changed while it was read
    with recorded_reads() as found:
        note_read(file)
        file.write_text("b")
        note_read(file)
    assert not found.reusable
    note_read(file)  # outside of a recording nothing is noted
    assert len(found.files) == 1


def test_too_many_files_are_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "MOST", 3)
    for number in range(5):
        (tmp_path / str(number)).write_text("")
    with recorded_reads() as found:
        note_tree(tmp_path)
    assert not found.reusable
