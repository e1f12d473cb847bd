"""The family ``vqa`` by hand, and from the command line with a model that answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from family_cases import pictures, values
from family_cases import vqa_task as task
from helpers import TOY_MODEL, goldieval, records, toy_model

from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset, TextSample
from goldieval.data.shapes import draw, sample_scene
from goldieval.data.subset import keep_images
from goldieval.families import vqa
from goldieval.goldiclip.towers import VisionTower
from goldieval.models import loading
from goldieval.models.adapter import Generative, LoadOptions
from goldieval.models.spec import parse_spec
from goldieval.records.files import read_outcomes, read_record

TRUE = ["red", "red", "blue", "yes", "no", "yes"]
TYPES = ["colour"] * 3 + ["existence"] * 3
STRATA = {
    "colour": np.array([True] * 3 + [False] * 3),
    "existence": np.array([False] * 3 + [True] * 3),
    "heldout": np.array([False, True, True, False, True, False]),
}


def dataset() -> Dataset:
    texts = [TextSample(f"q{row}", f"question {row}?") for row in range(6)]
    return Dataset(
        pictures(2),
        texts=texts,
        owner=np.array([0, 0, 0, 1, 1, 1]),
        answers=np.array(TRUE),
        types=np.array(TYPES),
        strata=STRATA,
    )


def test_by_hand() -> None:
    given = [" Red\n", "blue", "BLUE", "yes.", "no", "y"]
    scored = vqa.FAMILY.score(vqa.FAMILY.prepare(task(strata=list(STRATA)), dataset()), given)
    assert values(scored) == {
        "accuracy": 3 / 6,
        "accuracy_colour": 2 / 3,
        "accuracy_existence": 1 / 3,
        "accuracy_heldout": 2 / 3,
    }
    chances = {name: metric.chance for name, metric in scored.metrics.items()}
    assert chances == {
        "accuracy": 4 / 6,
        "accuracy_colour": 2 / 3,
        "accuracy_existence": 2 / 3,
        "accuracy_heldout": 1 / 3,
    }
    assert (scored.metrics["accuracy"].n, scored.metrics["accuracy"].clusters) == (6, 2)
    rows = scored.outcomes
    assert rows["right"].tolist() == [True, False, True, False, True, False] and rows["given"][0] == "red"
    assert rows["sample_id"].tolist() == [f"q{row}" for row in range(6)]
    assert rows["cluster_id"].tolist() == ["pic0"] * 3 + ["pic1"] * 3 and rows["type"].tolist() == TYPES


def test_who_guesses_the_most_frequent_answers_is_at_chance() -> None:
    scored = vqa.FAMILY.score(vqa.FAMILY.prepare(task(strata=list(STRATA)), dataset()), ["red"] * 3 + ["yes"] * 3)
    assert all(metric.value == metric.chance for metric in scored.metrics.values())


def test_a_subset_keeps_answers_with_their_questions() -> None:
    part = keep_images(dataset(), np.array([False, True]))
    prepared = vqa.FAMILY.prepare(task(strata=["colour", "heldout"]), part)
    assert values(vqa.FAMILY.score(prepared, ["yes", "no", "no"])) == {
        "accuracy": pytest.approx(2 / 3),
        "accuracy_heldout": 1,
    }
    assert not prepared.texts


def test_refusals() -> None:
    with pytest.raises(TaskError, match="needs questions with answers"):
        vqa.FAMILY.prepare(task(), Dataset(pictures(2)))
    with pytest.raises(TaskError, match=r"params\.strata: the data have no group size"):
        vqa.FAMILY.prepare(task(strata=["size"]), dataset())


ANSWERING = TOY_MODEL.replace(
    "    def encode_image",
    """    def generate(self, pixels, questions):
        assert len(pixels) == len(questions) <= 7
        return [WORDS for _ in questions]

    def encode_image""",
)


def _run(folder: Path, words: str) -> Any:
    file = folder / "answering.py"
    file.write_text(ANSWERING.replace("WORDS", words))
    arguments = ["run", "--tasks", "shapes-vqa", "--limit", "40", "--batch-size", "7", "--out", folder / "out"]
    return goldieval(*arguments, "--model", f"{file}:load")


def test_a_model_that_answers_is_asked_in_batches_and_encodes_nothing(tmp_path: Path) -> None:
    ran = _run(tmp_path, "' YES '")
    assert (ran.code, ran.err) == (0, "") and "accuracy existence" in ran.out and "accuracy heldout" in ran.out
    (record,) = records(tmp_path / "out")
    assert record["task"]["scoring"] == "generate" and record["run"]["encoded"] == {"images": 0, "texts": 0}
    assert record["run"]["seconds"]["generate"] > 0 and record["data"]["seen"]["texts"] == 4_000
    metrics = record["metrics"]
    assert metrics["accuracy"]["n"] == 160 and metrics["accuracy_colour"]["value"] == 0
    (file,) = (tmp_path / "out").rglob("*.json")
    rows = read_outcomes(file, read_record(file))
    assert len(rows["given"]) == 160 and set(rows["given"]) == {"yes"}
    assert (rows["right"] == (rows["answer"] == "yes")).all() and rows["right"].mean() == metrics["accuracy"]["value"]
    assert metrics["accuracy_seen"]["n"] + metrics["accuracy_heldout"]["n"] == 160


@pytest.mark.parametrize("words", ["3", "None"])
def test_answers_that_are_no_words_fail_the_task_in_one_line(tmp_path: Path, words: str) -> None:
    ran = _run(tmp_path, words)
    assert ran.code == 1 and "shapes-vqa FAILED: generate() must return one string per question: 7" in ran.out


def test_a_model_without_generate_fails_this_task_only(tmp_path: Path) -> None:
    tasks = "shapes-vqa,shapes-composition"
    model = toy_model(tmp_path)
    ran = goldieval("run", "--model", model, "--tasks", tasks, "--limit", "30", "--set", "scoring=global")
    assert ran.code == 1 and "shapes-composition FAILED" not in ran.out
    (line,) = [line for line in ran.out.splitlines() if line.startswith("shapes-vqa FAILED")]
    assert line.endswith("this model cannot answer questions: its adapter has no generate(pixels, questions).")


def test_goldiclip_encodes_a_picture_once_for_its_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    model = loading.load(parse_spec("goldiclip"), LoadOptions())
    assert isinstance(model, Generative)
    one, other = (model.preprocess(draw(sample_scene("test", index), 128)) for index in (0, 1))
    questions = ["what colour is the circle?", "how many objects are there?", "what is below the circle?"] * 2
    shown = [one, one, one, other, one, one]
    with torch.inference_mode():
        alone = [model.generate(pixels[None], [asked])[0] for pixels, asked in zip(shown, questions, strict=True)]
        encoded: list[int] = []
        forward = VisionTower.forward

        def counted(self: VisionTower, pixels: torch.Tensor, attention: str = "plain") -> Any:
            encoded.append(len(pixels))
            return forward(self, pixels, attention)

        monkeypatch.setattr(VisionTower, "forward", counted)
        assert model.generate(torch.stack(shown), questions) == alone
    assert encoded == [3] and len(set(alone)) > 1
