"""Questions to a model that follows instructions, from the command line: prompts, records, comparison, server files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers import TOY_MODEL, goldieval, json_lines, one_line, records
from PIL import Image

from goldieval.families.vqa_asking import filled
from goldieval.records.files import read_outcomes, read_record

CHAT = TOY_MODEL.replace('"toy", "file", "0" * 64', '"chat", "file", "1" * 64').replace(
    "    def encode_image",
    """    def preprocess(self, image):
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)

    def prompt_lengths(self, prompts):
        return [len(prompt.split()) for prompt in prompts]

    def respond(self, pictures, prompts, longest):
        assert len(pictures) == len(prompts) <= 4 and longest == 7
        with open("LOG", "a") as log:
            log.writelines(repr([list(picture.shape), prompt]) + chr(10) for picture, prompt in zip(pictures, prompts))
        return [ANSWER for prompt in prompts]

    def encode_image""",
)
PROMPT = "Look.\n{hint}\n{question}\nAnswer with one word."
SIZES = [(6, 9), (40, 20), (9, 9)]


def world(folder: Path, answers: bool = True, **params: Any) -> Path:
    """Write a card with eight questions about three pictures of different sizes."""
    for number, size in enumerate(SIZES):
        noise = np.random.default_rng(number).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
    rows = [
        {
            "id": 100 + row,
            "image": f"{row % 3}.png",
            "question": "What " + "is " * (row % 4) + "it?",
            "said": ["Two dogs"] * 7 + ["2 dogs"] * row + ["cats"],
            "hint": "Reference: tokens" if row % 2 else "",
            "kind": "odd" if row % 2 else "even",
        }
        for row in range(8)
    ]
    json_lines(folder / "questions.jsonl", rows)
    source = {"reader": "questions", "path": ".", "file": "questions.jsonl", "question_id": ["id"], "hint": "hint"}
    source |= {"answers": "said"} if answers else {}
    card = {
        "name": "asked",
        "version": 1,
        "protocol": "asked by hand",
        "title": "Asked",
        "licence": "none",
        "family": "vqa",
        "source": {**source, "type": "kind", "strata": ["kind"]},
        "headline": "accuracy" if answers else "answered",
        "params": {"prompt": PROMPT, "longest_answer": 7, **params},
    }
    file = folder / "card.yaml"
    file.write_text(yaml.safe_dump(card))
    return file


def run(folder: Path, card: Path, answer: str, name: str = "chat", *options: str) -> Any:
    file = folder / f"{name}.py"
    file.write_text(CHAT.replace("ANSWER", answer).replace("LOG", str(folder / f"{name}.log")))
    arguments = ["--tasks", card, "--batch-size", "4", "--out", folder / "out", *options]
    return goldieval("run", "--model", f"{file}:load", *arguments)


def asked(folder: Path, name: str = "chat") -> list[tuple[list[int], str]]:
    return [tuple(eval(line)) for line in (folder / f"{name}.log").read_text().splitlines()]  # type: ignore[misc]


def test_a_chat_model_gets_the_whole_prompt_shorter_ones_first(tmp_path: Path) -> None:
    card = world(tmp_path, rule="vqa-evalai", strata=["odd", "even"])
    ran = run(tmp_path, card, "'The two dogs.'")
    assert (ran.code, ran.err) == (0, "") and "accuracy odd" in ran.out
    calls = asked(tmp_path)
    lengths = [len(prompt.split()) for _, prompt in calls]
    assert lengths == sorted(lengths) and len(calls) == 8
    assert {tuple(shape) for shape, _ in calls} == {(3, height, width) for width, height in SIZES}
    assert calls[0][1] == "Look.\nWhat it?\nAnswer with one word."
    assert "Look.\nReference: tokens\nWhat is it?\nAnswer with one word." in [prompt for _, prompt in calls]
    (record,) = records(tmp_path / "out")
    settings = {"rule": "vqa-evalai", "prompt": PROMPT, "longest_answer": 7}
    assert record["task"]["settings"] == settings and record["metrics"]["accuracy"]["value"] == 1
    (file,) = (tmp_path / "out").rglob("*.json")
    rows = read_outcomes(file, read_record(file))
    assert set(rows["given"]) == {"The two dogs."} and set(rows["parsed"]) == {"2 dogs"}
    assert list(rows["references"][0]) == ["Two dogs"] * 7 + ["cats"] and rows["right"].dtype == float


def test_one_that_answers_questions_gets_the_question_alone(tmp_path: Path) -> None:
    card = world(tmp_path, rule="vqa")
    answering = TOY_MODEL.replace(
        "    def encode_image",
        """    def generate(self, pixels, questions):
        assert all(question.startswith("What ") for question in questions)
        return ["two dogs"] * len(questions)

    def encode_image""",
    )
    file = tmp_path / "answering.py"
    file.write_text(answering)
    ran = goldieval("run", "--model", f"{file}:load", "--tasks", card, "--out", tmp_path / "out")
    assert (ran.code, ran.err) == (0, "")
    (record,) = records(tmp_path / "out")
    assert record["task"]["settings"] == {"rule": "vqa", "prompt": "{question}"}
    assert run(tmp_path, card, "'cats' if 'it?' in prompt else ''").code == 0
    compared = goldieval("compare", "toy", "chat", "--out", tmp_path / "out", "--samples", "3")
    assert compared.code == 0, compared.out + compared.err
    assert "asked with the question alone and the task's prompt" in " ".join(compared.out.split())
    assert "cats (true: Two dogs (7)" in compared.out


def test_answers_for_a_server_are_written_beside_the_record(tmp_path: Path) -> None:
    card = world(tmp_path, answers=False, rule="vqa-submitted", submission="vqav2")
    ran = run(tmp_path, card, "'The two dogs.'")
    assert (ran.code, ran.err) == (0, "") and "answered" in ran.out
    (path,) = (tmp_path / "out").rglob("*@*.json")
    record = json.loads(path.read_text())
    assert record["metrics"].keys() == {"answered"} and record["task"]["settings"]["rule"] == "vqa-submitted"
    (name,) = record["files"]
    file = path.parent / name
    assert name.endswith("-answers.json")
    assert json.loads(file.read_text()) == [{"question_id": 100 + row, "answer": "2 dogs"} for row in range(8)]
    shown = goldieval("show", tmp_path / "out")
    assert shown.code == 0, shown.err
    for out in (ran.out, shown.out):
        assert f"  written beside the record: {name}" in out and "warning" not in out
    again = run(tmp_path, card, "'a cat'", "other")
    assert (again.code, len(list(path.parent.glob("*answers.json")))) == (0, 2)  # of one name, for who reads just now
    compared = goldieval("compare", path, path, "--all-metrics")
    assert compared.code == 2 and "nothing to compare" in compared.err + compared.out


def test_prompts_are_filled_line_by_line() -> None:
    template = "Context: {hint}\n{question}\n{options}\nAnswer {question}"
    assert filled(template, "What {hint}?", ["a {question}", "b"], "{options}") == (
        "Context: {options}\nWhat {hint}?\nA. a {question}\nB. b\nAnswer What {hint}?"
    )
    assert filled(template, "Q?") == "Q?\nAnswer Q?"


@pytest.mark.parametrize(
    ("prompt", "said"),
    [("Answer.", "a prompt has the place {question}"), ("{question} {choices}", "and no {choices}")],
)
def test_a_prompt_without_a_question_or_with_an_unknown_place_is_refused(
    tmp_path: Path, prompt: str, said: str
) -> None:
    card = world(tmp_path, rule="vqa")
    content = yaml.safe_load(card.read_text())
    content["params"]["prompt"] = prompt
    card.write_text(yaml.safe_dump(content))
    ran = run(tmp_path, card, "'a'")
    assert ran.code == 2 and said in one_line(ran.err)


@pytest.mark.parametrize("answer", ["3", "None"])
def test_answers_that_are_no_words_fail_the_task_in_one_line(tmp_path: Path, answer: str) -> None:
    ran = run(tmp_path, world(tmp_path, rule="vqa"), answer)
    assert (
        ran.code == 1 and "asked FAILED: respond() must return one string per prompt: 4 prompts were passed." in ran.out
    )


def test_hostile_answers_are_shown_as_escapes_and_stored(tmp_path: Path) -> None:
    ran = run(tmp_path, world(tmp_path, rule="vqa"), r"'\x1b[31m\ud800 two dogs\u202e'")
    assert (ran.code, ran.err) == (0, "") and "\x1b" not in ran.out
    (file,) = (tmp_path / "out").rglob("*.json")
    assert set(read_outcomes(file, read_record(file))["given"]) == {"\x1b[31m\\ud800 two dogs\u202e"}
