"""The state of a tracker's run: what is not one is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldieval.records.files import find_records
from goldieval.tracking.run_state import RunState, new_state, read_state, state_file, write_state


def test_a_state_comes_back(tmp_path: Path) -> None:
    file = state_file(tmp_path, "wandb", "goldiclip@run/step-*")
    assert read_state(file) is None
    write_state(file, RunState("abc-1", 7))
    assert read_state(file) == RunState("abc-1", 7)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert find_records(tmp_path) == []  # it may lie in a folder of records


def test_names_that_look_alike_have_files_of_their_own(tmp_path: Path) -> None:
    assert len({state_file(tmp_path, "wandb", name) for name in ("a@b", "a/b", "a b", "../a b")}) == 4
    assert new_state("a").id != new_state("a").id


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "null", "{", '{"id": "a"}', '{"id": "../a", "last_step": 1}', '{"id": "/tmp/a", "last_step": 1}',
        '{"id": 3, "last_step": 1}', '{"id": "a", "last_step": true}', '{"id": "a", "last_step": 1e400}',
        '{"id": "a", "last_step": -5}', '{"id": "a\\u001b", "last_step": 1}', "[" * 9_000, " " * 20_000,
    ],
)  # fmt: skip
def test_what_is_not_a_state_begins_a_new_run(content: str, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_text(content)
    assert read_state(file) is None
