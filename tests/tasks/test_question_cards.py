"""The cards of questions, from the command line, with a model that follows instructions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import goldieval
from question_data import questions
from tiny_data import stand_in
from tiny_llava import llava_folder

from goldieval.records.files import find_records, read_outcomes, read_record
from goldieval.tasks.card import load_card
from goldieval.tasks.catalogue import packaged

CARDS = sorted(file for file in packaged("tasks").glob("*.yaml") if "\n  reader: questions\n" in file.read_text())
SINGLE = "Answer the question using a single word or phrase."
LETTER = "Answer with the option's letter from the given choices directly."
UNANSWERABLE = "When the provided information is insufficient, respond with 'Unanswerable'."
# LLaVA's own prompts, with the questions, options and hints of the stand-ins.
ASKED = {
    "gqa": f"is it choose 1?\n{SINGLE}",
    "mme": f"is it existence 1?\n{SINGLE}",
    "pope": f"is it random 1?\n{SINGLE}",
    "scienceqa-img": f"Context: Look.\nis it natural_science 1?\nA. red\nB. blue\n{LETTER}",
    "textvqa-val": f"Is it  1?\nReference OCR token: AB\n{SINGLE}",
    "vizwiz-val": f"Is it number 1?\n{UNANSWERABLE}\n{SINGLE}",
    "vqav2-testdev": f"is it  1?\n{SINGLE}",
    "vqav2-val": f"is it yes_no 1?\n{SINGLE}",
}


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llava_folder(tmp_path_factory.mktemp("llava"))


@pytest.mark.slow
def test_every_card_of_questions_is_answered_by_a_chat_model(llava: Path, tmp_path: Path) -> None:
    cards = [str(stand_in(load_card(file), tmp_path / file.stem)) for file in CARDS]
    ran = goldieval("run", "--model", f"vlm:{llava}", "--tasks", ",".join(cards), "--out", tmp_path / "out")
    assert (ran.code, ran.err) == (0, ""), ran.out + ran.err
    found = {path: read_record(path) for path in find_records(tmp_path / "out")}
    assert {record.task.name for record in found.values()} == set(ASKED) == {file.stem for file in CARDS}
    for path, record in found.items():
        assert record.status == "ok" and record.task.settings["longest_answer"] == 128, record.reason
        outcomes = read_outcomes(path, record)
        assert len(outcomes["given"]) == record.data.seen["texts"] and all(
            isinstance(text, str) for text in outcomes["given"]
        )
        assert bool(record.files) == (record.task.name == "vqav2-testdev")
        for name in record.files:
            answers = json.loads((path.parent / name).read_text())
            assert [entry["question_id"] for entry in answers] == [0, 1, 2, 3]


@pytest.mark.parametrize("file", CARDS, ids=lambda file: file.stem)
def test_a_chat_model_gets_llavas_prompt(file: Path, tmp_path: Path) -> None:
    """Also where the files have no features of the Hub's library."""
    from goldieval.families.base import family_of
    from goldieval.families.vqa_asking import filled

    task = load_card(file)
    source: dict[str, Any] = task.card.source.model_dump(exclude_unset=True, exclude={"id"})
    strata = getattr(task.card.params, "strata", [])
    questions(tmp_path, source, strata, features=False)
    prepared = family_of("vqa").prepare(task, task.card.source.read(tmp_path))
    hints = prepared.dataset.hints
    template = yaml.safe_load(file.read_text())["params"]["prompt"]
    told = hints[1] if hints is not None else ""
    assert filled(template, prepared.dataset.texts[1].text, prepared.options(1), told) == ASKED[task.name]
