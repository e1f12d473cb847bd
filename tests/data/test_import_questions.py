"""``goldieval data import``: tables of questions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import goldieval, json_lines, picture, png_bytes
from import_cases import imported, output_of, refused

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rows(**more: Any) -> list[dict[str, Any]]:
    return [
        {"image": f"p{row // 2}.png", "question": f"What is it, {row}?"}
        | {key: each(row) for key, each in more.items()}
        for row in range(4)
    ]


def pictures(folder: Path) -> None:
    for number in range(2):
        picture(folder / f"p{number}.png", number)


def test_a_table_of_questions_and_the_run_that_it_proposes() -> None:
    pictures(Path("mine/pics"))
    json_lines(Path("mine/asked.jsonl"), rows(answer=lambda row: f"a thing {row}", question_id=lambda row: 7 * row))
    card, lines, loaded = imported("mine")
    assert card["family"] == "vqa" and card["headline"] == "accuracy"
    assert card["expect"] == {"images": 2, "texts": 4}
    assert card["source"]["reader"] == "questions" and card["source"]["question_id"] == ["question_id"]
    assert card["params"] == {"prompt": "{question}\nAnswer the question using a single word or phrase."}
    assert [text.id for text in loaded.prepared.dataset.texts] == ["0", "7", "14", "21"]
    shown = "\n".join(lines)
    assert "asked.jsonl: questions, with one answer each in 'answer'" in shown
    assert 'p0.png (8 x 8): question "What is it, 0?"; answer "a thing 0"' in shown
    assert lines[-1].endswith("run it: goldieval run --model goldiclip --tasks mine.yaml")
    ran = goldieval("run", "--model", "goldiclip", "--no-cache", "--tasks", "mine.yaml")
    assert ran.code == 0 and "accuracy" in ran.out, ran.err


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(lambda row: row % 2, "index"), (lambda row: "AB"[row % 2], "letter"), (lambda row: "no", "text")],
)
def test_options_are_judged_by_their_letter(answer: Any, kind: str) -> None:
    pictures(Path("mine"))
    json_lines(Path("mine/asked.jsonl"), rows(choices=lambda row: ["yes", "no"], answer=answer))
    card, lines, _ = imported("mine")
    assert card["params"]["rule"] == "letter" and card["source"].get("answer_as", "index") == kind
    assert 'question "What is it, 0? A. yes B. no"; answer "' in "\n".join(lines)


def test_parquet_files_with_answers_of_several_people() -> None:
    asked = rows(answers=lambda row: [{"answer": "yes"}, {"answer": "no"}], image_id=lambda row: row // 2)
    asked = [row | {"image": {"bytes": png_bytes(row["image_id"]), "path": None}} for row in asked]
    Path("mine").mkdir()
    pq.write_table(pa.Table.from_pylist(asked), "mine/test-0.parquet")
    card, _, loaded = imported("mine")
    assert card["params"]["rule"] == "vqa" and card["source"]["image_id"] == "image_id"
    assert len(loaded.prepared.dataset.images) == 2


def test_what_is_no_table_of_questions_is_read_as_before() -> None:
    pictures(Path("mine"))
    json_lines(Path("mine/asked.jsonl"), rows(caption=lambda row: f"a photo of thing {row}"))
    assert "captions in" in output_of("mine", "--caption", "caption")
    json_lines(Path("mine/asked.jsonl"), rows(answers=lambda row: "yes"))
    assert "'answers' should hold a list of the answers of several people in each row" in refused(
        "mine", "--family", "vqa"
    )
