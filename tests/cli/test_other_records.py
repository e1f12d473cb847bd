"""The command line: which options change the key of a record, and which do not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from helpers import Ran, card, goldieval, one_line, records

pytestmark = pytest.mark.usefixtures("plain")


def _run(arguments: list[str], *more: str) -> Ran:
    ran = goldieval(*arguments, *more)
    assert ran.code == 0, ran.err or ran.out
    return ran


def test_set_enters_the_protocol_and_makes_another_record(precomputed: list[str], tmp_path: Path) -> None:
    _run(precomputed)
    ran = _run(precomputed, "--set", "k=[1, 3]")
    assert "mine: all + k=[1, 3]" in ran.out
    plain, changed = sorted(records(tmp_path / "results"), key=lambda record: len(record["task"]["protocol"]))
    assert plain["task"]["overrides"] == {} and changed["task"]["overrides"] == {"k": [1, 3]}
    assert "t2i_r3" in changed["metrics"] and "t2i_r3" not in plain["metrics"]
    assert plain["key"] != changed["key"]


@pytest.mark.parametrize(
    ("pair", "line"),
    [
        ("prompt=[x]", "--set prompt: none of these tasks has such a parameter. Did you mean prompts, groups?"),
        ("colour=red", "--set colour: none of these tasks has such a parameter. They have "),
        ("prompts", "write KEY=VALUE"),
        ("=3", "write KEY=VALUE"),
        ("prompts=[a", "the value is not valid YAML"),
        ("prompts=[no place]", "params.prompts: "),
        ("scoring=conditionned", "no scoring mode 'conditionned': choose auto, global, conditioned or shortlist:K"),
    ],
)
def test_fault_in_set_is_one_line_and_writes_nothing(
    classified: list[str], tmp_path: Path, pair: str, line: str
) -> None:
    ran = goldieval(*classified, "--set", pair)
    assert ran.code == 2 and line in one_line(ran.err)
    assert not records(tmp_path)


def test_limit_marks_a_subset_and_makes_another_record(classified: list[str], tmp_path: Path) -> None:
    _run(classified)
    ran = _run(classified, "--limit", "4")
    assert "a subset of 4 images" in ran.out
    found = {record["task"]["limit"]: record for record in records(tmp_path / "results")}
    assert found[4]["metrics"]["acc1"]["n"] == 4 and found[None]["metrics"]["acc1"]["n"] == 10
    assert found[4]["key"] != found[None]["key"] and found[4]["data"]["seen"]["images"] == 10


def test_same_command_again_writes_the_same_record_over(classified: list[str], tmp_path: Path) -> None:
    _run(classified)
    (first,) = records(tmp_path / "results")
    _run(classified)
    (again,) = records(tmp_path / "results")
    assert first["metrics"] == again["metrics"] and first["key"] == again["key"]
    assert again["run"]["encoded"] == {"images": 0, "texts": 0}


def test_environment_variable_names_the_data_root(
    classified: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card(tmp_path, source={"path": "", "id": "mine"})
    monkeypatch.setenv("GOLDIEVAL_DATA", str(tmp_path / "root"))
    ran = goldieval(*classified)
    assert ran.code == 2 and "$GOLDIEVAL_DATA names" in one_line(ran.err)
    (tmp_path / "root").mkdir()
    os.rename(tmp_path / "data", tmp_path / "root" / "mine")
    assert goldieval(*classified).code == 0
    (tmp_path / "empty").mkdir()
    assert goldieval(*classified, "--data-dir", "empty").code == 1
