"""Readers: tables of questions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import json_lines, picture, png_bytes
from pydantic import ValidationError
from reader_cases import images, parquet, read, refused, source

from goldieval.core.errors import TaskError
from goldieval.core.ledger import cache_root
from goldieval.data.samples import Dataset

pytestmark = pytest.mark.usefixtures("cache")

TEN = [{"answer": word, "answer_confidence": "yes", "answer_id": n} for n, word in enumerate(["bus"] * 6 + ["van"] * 4)]


def owners(dataset: Dataset) -> list[str]:
    assert dataset.owner is not None and dataset.positives is not None
    assert dataset.positives.tolist() == [[row, owner] for row, owner in enumerate(dataset.owner)]
    return [dataset.images[owner].id for owner in dataset.owner]


def texts(values: np.ndarray | None) -> list[str]:
    assert values is not None
    return [str(value) for value in values]


def test_a_picture_in_many_rows_is_one_image_by_its_id(tmp_path: Path) -> None:
    """As in VQAv2: the rows of an image lie in two files, and each has the picture."""
    columns = {"image": images(1, 1, 2), "image_id": [9, 9, 4], "question_id": [90, 91, 40]}
    said = {"question": ["What?", "Is it?", "Who?"], "multiple_choice_answer": ["bus"] * 3, "answers": [TEN] * 3}
    parquet(tmp_path / "data" / "validation-0.parquet", columns | said | {"answer_type": ["other", "yes/no", "other"]})
    last = {"image": images(1), "image_id": [9], "question_id": [92], "question": ["Why?"]}
    more = {"multiple_choice_answer": ["van"], "answers": [TEN], "answer_type": ["other"]}
    parquet(tmp_path / "data" / "validation-1.parquet", last | more)
    dataset = read(
        tmp_path,
        "questions",
        file="data/validation-*.parquet",
        image_id="image_id",
        question_id=["question_id"],
        answer="multiple_choice_answer",
        answers="answers",
        type="answer_type",
    )
    assert [image.id for image in dataset.images] == ["9", "4"] and owners(dataset) == ["9", "9", "4", "9"]
    assert [text.id for text in dataset.texts] == ["90", "91", "40", "92"]
    assert texts(dataset.answers) == ["bus", "bus", "bus", "van"]
    assert texts(dataset.types) == ["other", "yes/no", "other", "other"]
    assert dataset.references is not None and dataset.references[3] == ["bus"] * 6 + ["van"] * 4
    assert dataset.agreement is not None and dataset.agreement.tolist() == [6, 6, 6, 4]
    assert [image.path for image in dataset.images] == ["validation-0.parquet#0", "validation-0.parquet#2"]
    assert [image.source.read() for image in dataset.images] == [png_bytes(1), png_bytes(2)]  # type: ignore[attr-defined]
    unpacked = [pa.ipc.open_stream(str(file)).read_all() for file in (cache_root() / "parquet").glob("*.arrow")]
    assert [table.num_rows for table in unpacked if "image" in table.schema.names] == [2]


def test_a_picture_without_an_id_is_known_by_its_content(tmp_path: Path) -> None:
    """As in ScienceQA: rows have no id at all."""
    parquet(
        tmp_path / "a" / "test-0.parquet",
        {
            "image": images(1, 2, 1),
            "question": ["Which?", "What?", "Who?"],
            "choices": [["x", "y"], ["a", "b", "c"], ["no", "yes"]],
            "answer": pa.array([1, 2, 0], type=pa.int8()),
            "hint": ["Look.", "", "It is\nlate."],
        },
    )
    dataset = read(
        tmp_path,
        "questions",
        file="a/*.parquet",
        options="choices",
        answer="answer",
        hint="hint",
    )
    assert owners(dataset) == ["test-0.parquet#0", "test-0.parquet#1", "test-0.parquet#0"]
    assert [text.id for text in dataset.texts] == ["test-0.parquet#0#0", "test-0.parquet#1#0", "test-0.parquet#0#1"]
    assert texts(dataset.answers) == ["B", "C", "A"]
    assert dataset.options == [["x", "y"], ["a", "b", "c"], ["no", "yes"]]
    assert dataset.hints == ["Look.", "", "It is\nlate."]


def test_pictures_in_a_table_of_their_own_are_found_by_id(tmp_path: Path) -> None:
    """As in GQA."""
    parquet(tmp_path / "pictures" / "t-0.parquet", {"id": ["n1", "n2"], "image": images(1, 2)})
    parquet(tmp_path / "pictures" / "t-1.parquet", {"id": ["n3"], "image": images(3)})
    types = [{"structural": "verify", "semantic": "obj"}, {"structural": "query", "semantic": "attr"}]
    asked = {"id": ["20", "21"], "imageId": ["n3", "n1"], "question": ["Is it?", "What?"], "answer": ["no", "bus"]}
    parquet(tmp_path / "asked.parquet", asked | {"types": types})
    options: dict[str, Any] = {
        "file": "*.parquet",
        "image_id": "imageId",
        "question_id": ["id"],
        "answer": "answer",
        "type": "types.structural",
        "image_table": {"file": "pictures/*.parquet"},
    }
    dataset = read(tmp_path, "questions", **options)
    assert owners(dataset) == ["n3", "n1"] and texts(dataset.types) == ["verify", "query"]
    assert [image.source.read() for image in dataset.images] == [png_bytes(3), png_bytes(1)]  # type: ignore[attr-defined]
    assert dataset.notes == ["left out: 1 pictures that no question is about: n2"]
    asked["imageId"] = ["n3", "n9"]
    parquet(tmp_path / "asked.parquet", asked | {"types": types})
    line = refused(tmp_path, "questions", **options)
    assert line.endswith("asked.parquet#1: no picture in pictures/*.parquet has the id 'n9'.")
    parquet(tmp_path / "pictures" / "t-2.parquet", {"id": ["n1"], "image": images(1)})
    assert refused(tmp_path, "questions", **options).endswith("the id 'n1' is there twice, also in t-0.parquet#0.")


def test_questions_are_numbered_grouped_and_rid_of_an_instruction(tmp_path: Path) -> None:
    """As in MME, where both questions about a picture have the same id, which is the picture's."""
    parquet(
        tmp_path / "0.parquet",
        {
            "question_id": ["OCR/1.png", "OCR/1.png", "count/1.png"],
            "image": images(1, 1, 2),
            "question": [f"{word} Please answer yes or no." for word in ("Is it?", "Is it not?", "Are they?")],
            "answer": ["Yes", "No", "Yes"],
            "category": ["OCR", "OCR", "count"],
        },
    )
    options: dict[str, Any] = {"file": "*.parquet", "answer": "answer", "strata": ["category"]}
    remove = " Please answer yes or no."
    dataset = read(tmp_path, "questions", **options, image_id="question_id", remove=remove)
    assert [text.text for text in dataset.texts] == ["Is it?", "Is it not?", "Are they?"]
    assert [text.id for text in dataset.texts] == ["OCR/1.png#0", "OCR/1.png#1", "count/1.png#0"]
    assert {name: mask.tolist() for name, mask in dataset.strata.items()} == {
        "count": [False, False, True],
        "ocr": [True, True, False],
    }
    line = refused(tmp_path, "questions", **options, question_id=["question_id"])
    assert "the question id 'OCR/1.png' is there twice, also in 0.parquet#0. Name the columns" in line
    named = read(tmp_path, "questions", **options, question_id=["question_id", "answer"])
    assert [text.id for text in named.texts] == ["OCR/1.png-Yes", "OCR/1.png-No", "count/1.png-Yes"]
    assert len(read(tmp_path, "questions", **options, where={"category": "OCR"}).texts) == 2
    assert refused(tmp_path, "questions", **options, where={"category": "ocr"}).endswith(
        "holds no questions with category ocr."
    )


def test_answers_of_annotators_alone_make_the_answer(tmp_path: Path) -> None:
    """As in VizWiz and TextVQA, whose answers are lists of texts; tokens in the picture become one text."""
    parquet(
        tmp_path / "0.parquet",
        {
            "image": images(1, 2),
            "question": ["WHAT is this, IBM?", "ok. what?"],
            "answers": [["a can", "can", "can", "unanswerable"], ["None", "NA", "", "NA"]],
            "ocr_tokens": [["IBM", "1.5"], []],
        },
    )
    options: dict[str, Any] = {"file": "0.parquet", "answers": "answers", "hint": "ocr_tokens", "capitalise": True}
    dataset = read(tmp_path, "questions", **options)
    assert texts(dataset.answers) == ["can", "NA"] and dataset.references == [
        ["a can", "can", "can", "unanswerable"],
        ["None", "NA", "", "NA"],
    ]
    assert dataset.hints == ["IBM, 1.5", ""]
    told = read(tmp_path, "questions", **options, hint_form="Reference OCR token: {}").hints
    assert told == ["Reference OCR token: IBM, 1.5", "Reference OCR token: "]
    assert [text.text for text in dataset.texts] == ["What is this, ibm?", "Ok. what?"]


def test_data_without_answers_have_none(tmp_path: Path) -> None:
    """As VQAv2's test-dev split, whose columns of answers are null."""
    columns = {"image": images(1), "question": ["What?"], "answers": pa.array([None], type=pa.list_(pa.string()))}
    parquet(tmp_path / "0.parquet", columns)
    dataset = read(tmp_path, "questions", file="0.parquet")
    assert dataset.answers is None and dataset.references is None and dataset.agreement is None
    line = refused(tmp_path, "questions", file="0.parquet", answers="answers")
    assert line.endswith("0.parquet#0: 'answers' should be a list of answers, but is 'None'.")


def test_a_users_own_table_names_image_files(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        picture(tmp_path / "pics" / name)
    rows = [
        {"image": "./a.png", "question": "What?", "choices": ["cat", "dog"], "answer": "dog"},
        {"image": "b.png", "question": "Who?", "choices": ["A", "B"], "answer": "B"},
        {"image": "a.png", "question": "Why?", "choices": ["cat", "dog"], "answer": "cat"},
    ]
    json_lines(tmp_path / "asked.jsonl", rows)
    options: dict[str, Any] = {"images": "pics", "options": "choices", "answer": "answer", "answer_as": "text"}
    dataset = read(tmp_path, "questions", file="asked.jsonl", **options)
    assert owners(dataset) == ["pics/a.png", "pics/b.png", "pics/a.png"] and texts(dataset.answers) == ["B", "B", "A"]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "asked.parquet")
    same = read(tmp_path, "questions", file="asked.parquet", **options)
    assert owners(same) == owners(dataset) and texts(same.answers) == texts(dataset.answers)
    json_lines(tmp_path / "asked.jsonl", [rows[0] | {"image": "../../a.png"}])
    assert "asked.jsonl:1" in refused(tmp_path, "questions", file="asked.jsonl", **options)


def test_an_image_id_names_one_file(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        picture(tmp_path / name)
    rows = [{"id": "7", "image": name, "question": "What?"} for name in ("a.png", "./a.png", "b.png")]
    json_lines(tmp_path / "asked.jsonl", rows[:2])
    assert owners(read(tmp_path, "questions", file="asked.jsonl", image_id="id")) == ["7", "7"]
    json_lines(tmp_path / "asked.jsonl", rows)
    said = refused(tmp_path, "questions", file="asked.jsonl", image_id="id")
    assert "asked.jsonl:3: the image id '7' is that of a.png in an earlier row, and of b.png here." in said


def test_columns_of_the_type_sequence_are_mappings_of_lists(tmp_path: Path) -> None:
    parquet(tmp_path / "0.parquet", {"image": images(1), "question": ["What?"], "answers": [{"answer": ["a", "b"]}]})
    assert read(tmp_path, "questions", file="0.parquet", answers="answers").references == [["a", "b"]]
    assert read(tmp_path, "questions", file="0.parquet", answers="answers.answer").references == [["a", "b"]]


ROW: dict[str, Any] = {"image": "a.png", "question": "What?", "answer": 1, "answers": ["x"], "options": ["x", "y"]}
WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no question": ({"question": None}, {}, "empty question"),
    "blank question": ({"question": " \n"}, {}, "empty question"),
    "number as question": ({"question": [1]}, {}, "'question' should hold a text"),
    "question removed": ({"question": "Why?"}, {"remove": "Why?"}, "the question is empty"),
    "huge question": ({"question": "x" * 100_001}, {}, "'question' has 100,001 characters; 100,000 are the most"),
    "no answer": ({"answer": None}, {"answer": "answer"}, "empty answer"),
    "index beyond": ({"answer": 2}, {"answer": "answer", "options": "options"}, "should be a number from 0 to 1"),
    "negative index": ({"answer": -1}, {"answer": "answer", "options": "options"}, "should be a number from 0 to 1"),
    "true as index": ({"answer": True}, {"answer": "answer", "options": "options"}, "should be a number from 0 to 1"),
    "unknown letter": (
        {"answer": "C"},
        {"answer": "answer", "options": "options", "answer_as": "letter"},
        "'answer' is 'C', which is the letter of none of the options",
    ),
    "doubled option": (
        {"answer": "x", "options": ["x", "x "]},
        {"answer": "answer", "options": "options", "answer_as": "text"},
        "'answer' is 'x', which is the text of several of the options",
    ),
    "one option": ({"options": ["x"]}, {"answer": "answer", "options": "options"}, "list of 2 to 26 options"),
    "empty option": ({"options": ["x", " "]}, {"answer": "answer", "options": "options"}, "list of 2 to 26 options"),
    "no list of options": ({"options": "x"}, {"answer": "answer", "options": "options"}, "list of 2 to 26 options"),
    "no answers": ({"answers": []}, {"answers": "answers"}, "should be a list of answers"),
    "null among answers": ({"answers": ["x", None]}, {"answers": "answers"}, "entry 2 of 'answers' should be a text"),
    "surrogate": ({"answers": ["\ud800"]}, {"answers": "answers"}, "a lone surrogate"),
    "many answers": ({"answers": ["x"] * 1001}, {"answers": "answers"}, "'answers' has 1,001 entries; 1,000 are"),
    "long answer": ({"answer": "x" * 100_001}, {"answer": "answer"}, "'answer' has 100,001 characters"),
    "no picture": ({"image": None}, {}, "image"),
    "no column": ({}, {"answer": "reply"}, "no column 'reply'"),
    "no such stratum": ({"answer": "…"}, {"strata": ["answer"]}, "which is no name of a group"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_row_is_refused_with_its_place(tmp_path: Path, name: str) -> None:
    change, options, line = WRONG[name]
    picture(tmp_path / "a.png")
    (tmp_path / "t.jsonl").write_text(json.dumps(ROW | change) + "\n")
    said = refused(tmp_path, "questions", file="t.jsonl", **options)
    assert line in said and said.startswith(f"{tmp_path}/t.jsonl:1")


def test_a_parquet_file_without_a_column_is_refused_before_its_rows_are_read(tmp_path: Path) -> None:
    parquet(tmp_path / "0.parquet", {"question": ["What?"]})
    assert "0.parquet has no column image; it has ['question']." in refused(tmp_path, "questions", file="0.parquet")
    (tmp_path / "1.parquet").write_bytes(b"PAR1")
    assert "as parquet" in refused(tmp_path, "questions", file="1.parquet")
    parquet(tmp_path / "2.parquet", {"image": images(), "question": pa.array([], type=pa.string())})
    assert refused(tmp_path, "questions", file="2.parquet").endswith("2.parquet holds no questions.")


def test_a_row_without_its_picture_is_reported_as_unreadable(tmp_path: Path) -> None:
    """By the same rule as any other picture that cannot be read."""
    rows = pa.array([{"bytes": png_bytes(1), "path": None}, {"bytes": None, "path": "x.png"}])
    parquet(tmp_path / "0.parquet", {"image": rows, "question": ["What?", "Why?"], "id": [1, 2]})
    for options in ({}, {"image_id": "id"}):
        dataset = read(tmp_path, "questions", file="0.parquet", **options)
        with pytest.raises(OSError, match="holds no image bytes"):
            dataset.images[1].source.key()


def test_keys_that_do_not_fit_together_are_refused() -> None:
    for options, line in (
        ({"image_table": {"file": "x.parquet"}}, "image_table needs image_id"),
        ({"options": "o", "answers": "a"}, "questions with options have one answer"),
        ({"image_id": "i", "image_table": {"file": "x.csv"}}, "pattern"),
    ):
        with pytest.raises(ValidationError, match=line):
            source("questions", file="q.parquet", **options)


def test_missing_files_are_named(tmp_path: Path) -> None:
    asked = source("questions", file="q/*.parquet", image_id="i", image_table={"file": "p/*.parquet"})
    assert asked.missing(tmp_path) == ["q/*.parquet"]
    parquet(tmp_path / "q" / "0.parquet", {"i": ["a"], "question": ["What?"]})
    assert asked.missing(tmp_path) == ["p/*.parquet"]
    with pytest.raises(TaskError, match="no picture in"):
        asked.read(tmp_path)
