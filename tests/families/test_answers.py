"""The columns of the outcomes that name answers: what is named, for whom, and that existing columns stay."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from family_cases import pictures

from goldieval import evaluate
from goldieval.data.samples import Dataset, TextSample
from goldieval.families.answers import answer_columns, strata_lists
from goldieval.metrics.answers import NOBODY, Answers
from goldieval.records.files import find_records, read_outcomes, read_record

BEFORE = {"sample_id", "cluster_id", "direction", "rank_low", "rank_high", "image", "text"}


def outcomes(folder: Path, task: str, scoring: str | None = None) -> dict[str, np.ndarray]:
    evaluate("goldiclip", [task], limit=24, out=folder, scoring=scoring)
    (file,) = find_records(folder)
    return read_outcomes(file, read_record(file))


def test_no_answer_is_an_empty_name_and_no_score_is_null() -> None:
    answers = Answers(np.array([0]), np.array([0.5]), np.array([NOBODY]), np.array([np.nan]))
    columns = answer_columns(answers, ["a"], ["text a"])
    assert [columns[name][0] for name in ("right_id", "right_content", "wrong_id", "wrong_content")] == [
        "a", "text a", "", ""]  # fmt: skip
    assert columns["wrong_score"][0] is None and columns["right_score"].dtype == np.float64
    assert answer_columns(None, ["a"], ["b"]) == {}


def test_the_groups_of_a_query_are_listed() -> None:
    masks = {"add": np.array([True, False, True]), "swap": np.array([False, False, True])}
    data = Dataset(pictures(3), texts=[TextSample(str(n), "text") for n in range(3)], strata=masks)
    assert strata_lists(data)["strata"].tolist() == [["add"], [], ["add", "swap"]]
    assert strata_lists(Dataset(pictures(3))) == {}


def test_retrieval_names_images_to_texts_and_texts_to_images(tmp_path: Path) -> None:
    rows = outcomes(tmp_path, "shapes-retrieval")
    texts = dict(zip(rows["sample_id"], rows["text"], strict=True))
    for row in range(len(rows["sample_id"])):
        t2i = rows["direction"][row] == "t2i"
        assert t2i == (rows["wrong_id"][row] not in texts or texts[rows["wrong_id"][row]] == "")
        assert t2i or rows["right_content"][row] == texts[rows["right_id"][row]] != ""
        above = rows["wrong_score"][row] - rows["right_score"][row]
        assert (above > 0) == (rows["rank_low"][row] > 1) or abs(above) < 2e-6
    assert set(rows) >= BEFORE


def test_shortlists_name_answers_without_a_score_as_null(tmp_path: Path) -> None:
    outcomes(tmp_path, "shapes-retrieval", scoring="shortlist:2")
    (file,) = find_records(tmp_path)
    table = pq.read_table(file.with_suffix(".parquet"))
    scores = table["right_score"].to_pylist()
    assert None in scores and not any(score != score for score in scores if score is not None)
    assert all(table["right_id"].to_pylist()) and all(table["wrong_id"].to_pylist())
    assert "NaN" not in json.dumps(json.loads(file.read_text()), allow_nan=False)


def test_a_class_that_is_wrong_is_the_prediction(tmp_path: Path) -> None:
    rows = outcomes(tmp_path, "shapes-zeroshot", scoring="global")
    wrong = rows["place"] > 0
    assert (rows["wrong_id"][wrong] == rows["prediction"][wrong].astype(str)).all()
    assert (rows["right_content"] == rows["text"]).all() and (rows["wrong_content"] != rows["text"]).all()


def test_a_choice_names_the_true_candidate_and_the_best_false_one(tmp_path: Path) -> None:
    rows = outcomes(tmp_path, "shapes-composition")
    assert (rows["right_content"] == rows["text"]).all() and (rows["wrong_content"] != rows["text"]).all()
    assert {name for names in rows["strata"] for name in names} == {"attribute", "relation"}
    chosen = np.where(rows["prediction"] == 0, rows["right_score"], rows["wrong_score"])
    assert (chosen >= np.maximum(rows["right_score"], rows["wrong_score"]) - 2e-6).all()
