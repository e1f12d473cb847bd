"""A small version of the storm in ``benchmarks``: records that are killed at random moments while they are written."""

from __future__ import annotations

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import pytest
import storm


@pytest.mark.slow
def test_no_kill_costs_a_record_or_leaves_a_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storm, "WRITES", 4)
    storm.CONTEXT.set_forkserver_preload(["goldieval.records.writing", "numpy", "pandas", "pyarrow.parquet"])
    outcome = storm.storm("record", storm.SCENES["record"], 1, random.Random(0), tmp_path)
    assert outcome.kills == 1 and outcome.tries > 1
    assert (outcome.lost, outcome.different, outcome.left) == ([], [], [])


def test_the_storm_sees_what_is_lost_or_lies_about(tmp_path: Path) -> None:
    """Of a command that writes in place, and forgets what it had."""
    (tmp_path / "a.goldieval-tmp").touch()
    assert storm.leftovers(tmp_path) == [f"{tmp_path.name}/a.goldieval-tmp"]
    states = iter([{"a": "1"}, {}])
    forgetful = storm.Scene(lambda root: ["ls", "models"], lambda root: next(states), lambda root: {})
    outcome = storm.Outcome("forgetful")
    storm._until_it_ends(forgetful, tmp_path / "try", 0.0, 1, random.Random(0), outcome)
    assert outcome.kills == 1 and outcome.lost == ["try/a"]
