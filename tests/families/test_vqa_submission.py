"""Files of answers for the servers of benchmarks."""

from __future__ import annotations

import json
from typing import get_args

import numpy as np
import pytest

from goldieval.core.errors import TaskError
from goldieval.data.image_source import NoImage
from goldieval.data.samples import Dataset, ImageSample, TextSample
from goldieval.families import vqa_submission
from goldieval.families.vqa_submission import submission, submission_keys
from goldieval.tasks.vqa_params import VqaParams


def asked(ids: list[str], images: list[str], owner: list[int]) -> Dataset:
    return Dataset(
        [ImageSample(id, NoImage()) for id in images],
        texts=[TextSample(id, "What?") for id in ids],
        owner=np.array(owner),
    )


def test_vqav2_is_sent_numbers_of_questions() -> None:
    files = submission("vqav2", asked(["262148000", "1"], ["a", "b"], [1, 0]), ["2 dogs", "café"])
    assert json.loads(files["answers.json"]) == [
        {"question_id": 262148000, "answer": "2 dogs"},
        {"question_id": 1, "answer": "café"},
    ]
    for id in ("a#0", "9" * 19, "1.0", "٣"):
        with pytest.raises(TaskError, match="vqav2 knows questions by whole numbers, unlike"):
            submission_keys("vqav2", asked(["1", id], ["a"], [0, 0]))


def test_vizwiz_is_sent_names_of_pictures() -> None:
    """By the id that the Hub's copy has, or by the file of a folder."""
    dataset = asked(["0", "1"], ["VizWiz_test_00000000", "test/VizWiz_test_00000001.jpg"], [1, 0])
    assert json.loads(submission("vizwiz", dataset, ["unanswerable", ""])["answers.json"]) == [
        {"image": "VizWiz_test_00000001.jpg", "answer": "unanswerable"},
        {"image": "VizWiz_test_00000000.jpg", "answer": ""},
    ]
    with pytest.raises(TaskError, match=r"one question per picture, unlike a\.jpg"):
        submission_keys("vizwiz", asked(["0", "1"], ["a"], [0, 0]))


def test_no_server_is_sent_nothing() -> None:
    assert submission("", asked(["0"], ["a"], [0]), ["x"]) == {}


def test_every_server_that_a_card_may_name_has_a_format() -> None:
    servers = get_args(VqaParams.model_fields["submission"].annotation)
    assert set(servers) == {"", *vqa_submission._KEYS}
