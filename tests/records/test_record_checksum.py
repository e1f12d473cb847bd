"""A flipped bit or a changed number in a record's own file is found; a failure leaves no trace after a success."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from helpers import card, class_folders, goldieval, records, toy_model
from synthetic_records import made

from goldieval.core.errors import GoldievalError
from goldieval.records.files import read_record
from goldieval.records.writing import write_record


def written(folder: Path) -> Path:
    return write_record(folder, made("cifar10", "m", 0.5), None)


def test_no_flipped_bit_changes_what_a_record_says(tmp_path: Path) -> None:
    """It is refused, or only white space, or a letter's escape, was another."""
    file = written(tmp_path)
    whole, content, chance = read_record(file), file.read_bytes(), random.Random(0)
    refused = 0
    for _ in range(300):
        place = chance.randrange(len(content))
        flipped = bytearray(content)
        flipped[place] ^= 1 << chance.randrange(8)
        file.write_bytes(bytes(flipped))
        try:
            found = read_record(file)
        except GoldievalError:
            refused += 1
        else:
            assert found == whole
    assert refused > 200


def test_a_changed_number_is_named_and_another_layout_is_not(tmp_path: Path) -> None:
    file = written(tmp_path)
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content))
    assert read_record(file).headline is not None
    content["metrics"]["acc1"]["value"] = 0.75
    file.write_text(json.dumps(content))
    with pytest.raises(GoldievalError, match="damaged or was edited"):
        read_record(file)
    assert goldieval("show", file).code == 2
    del content["sha256"]  # as of an older version
    file.write_text(json.dumps(content))
    headline = read_record(file).headline
    assert headline is not None and headline.value == 0.75


def test_a_failure_that_did_not_know_the_data_goes_with_the_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit that leaves nothing out is none, which nobody knows as long as the data are missing."""
    monkeypatch.chdir(tmp_path)
    run = ("run", "--model", toy_model(tmp_path), "--tasks", card(tmp_path), "--out", "out", "--limit", "9")
    assert goldieval(*run).code == 1
    assert [record["status"] for record in records(tmp_path / "out")] == ["failed"]
    class_folders(tmp_path / "data", {"cat": 2, "dog": 1})
    assert goldieval(*run).code == 0
    assert [(record["status"], record["task"]["limit"]) for record in records(tmp_path / "out")] == [("ok", None)]
