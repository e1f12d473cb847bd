"""The reader of associations: a cue, candidates, and those that belong to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import json_lines, picture
from reader_cases import read, refused

from goldieval.data.samples import Dataset
from goldieval.data.subset import keep_images

pytestmark = pytest.mark.usefixtures("cache")


def examples(folder: Path, *rows: dict[str, Any]) -> Path:
    for row, name in enumerate("abcdef"):
        picture(folder / f"{name}.png", row)
    base = {"ID": 7, "cue": "cue", "candidates": list("abc"), "associations": ["b"]}
    json_lines(folder / "t.jsonl", [base | row for row in rows])
    return folder


def found(folder: Path, **options: Any) -> Dataset:
    return read(folder, "association", **({"file": "t.jsonl", "picture": "{}.png"} | options))


def line(folder: Path, **options: Any) -> str:
    return refused(folder, "association", **({"file": "t.jsonl", "picture": "{}.png"} | options))


def test_images_are_shared_and_examples_are_grouped_by_size(tmp_path: Path) -> None:
    rows = {"ID": 8, "cue": "None", "candidates": list("cdefab"), "associations": ["a", "c"]}
    dataset = found(examples(tmp_path, {}, rows), sizes={"three": [3], "rest": [4, 6]})
    assert [image.id for image in dataset.images] == list("abcdef") and [text.text for text in dataset.texts] == [
        "cue",
        "None",
    ]
    assert dataset.candidates is not None and dataset.positives is not None and dataset.owner is not None
    assert dataset.candidates.tolist() == [[0, 0], [0, 1], [0, 2], *([1, row] for row in (2, 3, 4, 5, 0, 1))]
    assert dataset.positives.tolist() == [[0, 1], [1, 2], [1, 0]] and dataset.owner.tolist() == [1, 2]
    assert {name: mask.tolist() for name, mask in dataset.strata.items()} == {
        "three": [True, False],
        "rest": [False, True],
    }


def test_lists_may_be_json_texts_as_in_winogavils_csv(tmp_path: Path) -> None:
    examples(tmp_path)
    (tmp_path / "t.csv").write_text('ID,cue,candidates,associations\n0,bald,"[""a"", ""b""]","[""b""]"\n')
    assert found(tmp_path, file="t.csv").positives.tolist() == [[0, 1]]  # type: ignore[union-attr]


def test_an_example_is_left_out_with_any_of_its_images(tmp_path: Path) -> None:
    dataset = found(examples(tmp_path, {}, {"ID": 8, "candidates": list("def"), "associations": ["f"]}))
    kept = keep_images(dataset, np.array([True, True, False, True, True, True]))
    assert [text.id for text in kept.texts] == ["8"] and kept.candidates is not None and kept.positives is not None
    assert kept.candidates.tolist() == [[0, 2], [0, 3], [0, 4]] and kept.positives.tolist() == [[0, 4]]


def test_an_association_that_is_no_candidate_is_noted(tmp_path: Path) -> None:
    dataset = found(examples(tmp_path, {"associations": ["b", "zebra"]}))
    assert dataset.notes == [f"left out: 1 associations without a candidate: {tmp_path / 't.jsonl'}:1: zebra"]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"candidates": "a, b"}, 't.jsonl:1: \'candidates\' should hold a list of names, such as ["cat", "dog"].'),
        ({"candidates": "[" * 100_000}, "'candidates' should hold a list of names"),
        ({"candidates": ["a", 3]}, "'candidates' should hold a list of names"),
        ({"candidates": ["a"]}, "t.jsonl:1: needs two candidates or more, and one of them in associations."),
        ({"associations": ["zebra"]}, "t.jsonl:1: needs two candidates or more, and one of them in associations."),
        ({"associations": []}, "'associations' should hold a list of names"),
        ({"cue": ""}, "t.jsonl:1: empty cue."),
        ({"candidates": ["a", "../../b"]}, "would leave its folder"),
    ],
)
def test_bad_rows_are_one_line(tmp_path: Path, row: dict[str, Any], expected: str) -> None:
    assert expected in line(examples(tmp_path, row))
    assert json.dumps(row)


def test_a_pattern_needs_one_place(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs one"):
        found(examples(tmp_path, {}), picture="x.png")
