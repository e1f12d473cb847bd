"""Derived data by hand, against brute force, and as the steps of a card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import card, json_lines, picture
from hypothesis import given
from hypothesis import strategies as st

from goldieval import evaluate
from goldieval.core.errors import GoldievalError, TaskError
from goldieval.data.derive.questions import SourceQuestion, normalised, sampled
from goldieval.data.derive.sentences import rejoined, sentences_of
from goldieval.data.derive.split import random_split
from goldieval.data.derive.steps import Prepare, digest
from goldieval.data.image_source import NoImage
from goldieval.data.samples import AnnotatedImage, Dataset, ImageSample, dataset_of
from goldieval.tasks.card import load_card


def captioned(*captions: list[str]) -> Dataset:
    return dataset_of(
        [
            AnnotatedImage(
                ImageSample(f"i{row}", NoImage()), captions=[(f"i{row}/{n}", text) for n, text in enumerate(own)]
            )
            for row, own in enumerate(captions)
        ]
    )


def prepared(dataset: Dataset, **steps: Any) -> Dataset:
    return Prepare.model_validate(steps).apply(dataset)


def captions_of(dataset: Dataset) -> list[tuple[str, str, int]]:
    assert dataset.owner is not None
    return [(text.id, text.text, int(row)) for text, row in zip(dataset.texts, dataset.owner, strict=True)]


@given(st.text(alphabet="ab .\n</s>", max_size=40), st.integers(1, 4))
def test_sentences_are_the_long_enough_parts_between_breaks(text: str, least: int) -> None:
    parts = [part for line in text.replace("</s>", "\n").replace(".", "\n").split("\n") if (part := line.strip())]
    assert sentences_of(text, least) == [part for part in parts if len(part) >= least]
    assert sentences_of(rejoined(text)) == sentences_of(text)


def test_sentences_become_captions_numbered_within_their_image() -> None:
    made = prepared(captioned(["One dog. It. Sits there."], ["A. cat</s>sleeps"]), sentences={"min_length": 3})
    assert captions_of(made) == [
        ("i0#0", "One dog", 0),
        ("i0#1", "Sits there", 0),
        ("i1#0", "cat", 1),
        ("i1#1", "sleeps", 1),
    ]
    assert made.positives is not None and made.positives.tolist() == [[0, 0], [1, 0], [2, 1], [3, 1]]


def test_join_then_rejoin_is_dcis_long_caption() -> None:
    made = prepared(captioned(["A red bus.", "It waits.\nA man boards it."]), join={"separator": "\n"}, rejoin={})
    assert captions_of(made) == [("i0/0", "A red bus. It waits. A man boards it", 0)]


def test_first_line_and_first_captions() -> None:
    made = prepared(captioned(["a \nb", "c", "d"], ["e"]), first_line={}, first={"captions": 2})
    assert captions_of(made) == [("i0/0", "a", 0), ("i0/1", "c", 0), ("i1/0", "e", 1)]


def test_random_split_is_torchs_own() -> None:
    images = [ImageSample(str(row), NoImage()) for row in range(50)]
    theirs = torch.utils.data.random_split(range(50), [20, 30], generator=torch.Generator().manual_seed(3072))
    drawn = [part.tolist() for part in random_split(50, [20, 30], 3072)]
    assert drawn == [list(part.indices) for part in theirs]
    made = prepared(Dataset(images, labels=np.arange(50)), random_split={"seed": 3072, "sizes": [20, 30], "part": 1})
    assert [image.id for image in made.images] == [str(row) for row in sorted(drawn[1])]
    assert made.labels is not None and made.labels.tolist() == sorted(drawn[1])
    with pytest.raises(TaskError, match=r"20 \+ 31 needs 51 images, but there are 50"):
        random_split(50, [20, 31], 0)


ASKED = [
    SourceQuestion(11, 0, "What colour is it?", "red", "other", 9),
    SourceQuestion(12, 0, "Is it big?", "yes", "yes/no", 10),
    SourceQuestion(10, 0, "Who?", "a man", "other", 2),
    SourceQuestion(21, 1, "what  colour is it", "Red.", "other", 1),
    SourceQuestion(22, 1, "Where?", "street", "other", 3),
    SourceQuestion(31, 2, "What colour is it?", "blue", "other", 4),
]


def test_questions_are_sampled_by_the_rule() -> None:
    asked = [(query.asked.id, query.text, query.images) for query in sampled(ASKED, False, "other", 3, 20)]
    assert asked == [
        (11, "What colour is it?", (0, 1, 2)),
        (22, "Where?", (1,)),
        (31, "What colour is it?", (0, 1, 2)),
    ]
    answered = [(query.asked.id, query.text, query.images) for query in sampled(ASKED, True, "other", 3, 20)]
    assert answered == [
        (11, "What colour is it? red", (0, 1)),
        (22, "Where? street", (1,)),
        (31, "What colour is it? blue", (2,)),
    ]
    assert [query.asked.id for query in sampled(ASKED, False, "other", 3, 2)] == [22]
    assert normalised(" Where  IS it?! ") == "where is it"


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["A?", "a", "b?"]), st.sampled_from("xy"), st.integers(1, 5)),
        max_size=12,
    ),
    st.booleans(),
    st.integers(1, 3),
)
def test_sampled_questions_by_brute_force(rows: list[Any], with_answer: bool, most: int) -> None:
    asked = [
        SourceQuestion(n, image, text, answer, "other", agreed) for n, (image, text, answer, agreed) in enumerate(rows)
    ]

    def same(a: SourceQuestion, b: SourceQuestion) -> bool:
        answers = not with_answer or a.answer == b.answer
        return a.text.lower().rstrip("?") == b.text.lower().rstrip("?") and answers

    expected = {}
    for image in range(4):
        for one in asked:
            carriers = {other.image for other in asked if same(one, other)}
            if one.image == image and one.agreement >= 3 and len(carriers) <= most:
                expected[image] = (one.id, tuple(sorted(carriers)))
                break
    found = sampled(asked, with_answer, "other", 3, most)
    assert {query.asked.image: (query.asked.id, query.images) for query in found} == expected
    assert [query.asked.image for query in found] == sorted(expected)


def test_question_step_makes_duplicates_positives() -> None:
    columns = {
        "answers": np.array([asked.answer for asked in ASKED], dtype=object),
        "types": np.array([asked.type for asked in ASKED], dtype=object),
        "agreement": np.array([asked.agreement for asked in ASKED]),
    }
    whole = captioned(["a", "b", "c"], ["d", "e"], ["f"])
    texts = [type(text)(str(asked.id), asked.text) for text, asked in zip(whole.texts, ASKED, strict=True)]
    data = Dataset(whole.images, texts=texts, owner=whole.owner, **columns)
    made = prepared(data, questions={"with_answer": True})
    assert captions_of(made) == [
        ("11", "What colour is it? red", 0),
        ("22", "Where? street", 1),
        ("31", ASKED[5].text + " blue", 2),
    ]
    assert made.positives is not None and made.positives.tolist() == [[0, 0], [0, 1], [1, 1], [2, 2]]
    with pytest.raises(TaskError, match="no question remains"):
        prepared(data, questions={"with_answer": True, "agreement": 10, "most_images": 1})
    with pytest.raises(TaskError, match="needs questions with answers"):
        prepared(whole, questions={"with_answer": True})


def test_steps_refuse_data_without_captions_and_captions_that_vanish() -> None:
    with pytest.raises(TaskError, match="this step needs captions"):
        prepared(Dataset([ImageSample("a", NoImage())]), rejoin={})
    with pytest.raises(TaskError, match="no captions remain for 1 images: i1"):
        prepared(captioned(["a dog"], ["."]), sentences={})


def described(folder: Path, **source: Any) -> Path:
    picture(folder / "data/a.png", 1)
    picture(folder / "data/b.png", 2)
    rows = [{"image": "a.png", "caption": "A dog. It sits."}, {"image": "b.png", "caption": "A cat. It sleeps."}]
    json_lines(folder / "data/rows.jsonl", rows)
    return card(folder, "table", "retrieval", source={"file": "rows.jsonl", "caption": "caption"} | source)


def test_prepared_output_is_hashed_into_card_and_record(tmp_path: Path) -> None:
    file = described(tmp_path / "one", prepare={"sentences": {}})
    source = load_card(file).card.source
    dataset, made = source.prepared(tmp_path / "one/data")
    assert [text.text for text in dataset.texts] == ["A dog", "It sits", "A cat", "It sleeps"] and made == digest(
        dataset
    )
    pinned = described(tmp_path / "two", prepare={"sentences": {}}, prepared_sha256=made)
    (record,) = evaluate("random:8", str(pinned), out=None)
    assert record.status == "ok" and record.data.prepared_sha256 == made and record.data.seen["texts"] == 4
    other = described(tmp_path / "three", prepare={"rejoin": {}}, prepared_sha256=made)
    (record,) = evaluate("random:8", str(other), out=None)
    assert record.status == "failed" and "the card pins" in record.reason and "\n" not in record.reason
    assert load_card(other).hash != load_card(pinned).hash != load_card(file).hash


@pytest.mark.parametrize(
    ("prepare", "place"),
    [
        ({"sentence": {}}, "source.prepare.sentence: unknown key"),
        ({"sentences": {"min_length": 0}}, "source.prepare.sentences.min_length: "),
        ({"first": {}}, "source.prepare.first.captions: is missing"),
        ({"random_split": {"seed": 1, "sizes": [1, 2], "part": 2}}, "part 2 of 2 sizes"),
    ],
)
def test_faulty_steps_are_one_line(tmp_path: Path, prepare: dict[str, Any], place: str) -> None:
    with pytest.raises(GoldievalError) as caught:
        load_card(described(tmp_path, prepare=prepare))
    assert place in str(caught.value) and "\n" not in str(caught.value)
