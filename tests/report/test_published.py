"""Published numbers: content, names shared with the cards, and invalid rows."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from goldieval.core.errors import GoldievalError
from goldieval.report.published import COLUMNS, NOT_SCORES, Published, load_published
from goldieval.tasks.catalogue import Catalogue, packaged

SETTING = "leaderboard page, setting unknown"
GOLDICLIP = [
    ("voc20", "miou", 70), ("pc59", "miou", 29.5), ("coco-stuff", "miou", 19.4), ("ade20k", "miou", 16.4),
    ("cityscapes", "miou", 28.9), ("cifar10", "acc1", 92.9), ("food101", "acc1", 74.0), ("pets", "acc1", 62.7),
]  # fmt: skip
SUPERCLIP = [
    ("SuperCLIP L-512M", "imagenet-probe-mae", "acc1", 81.0), ("SuperCLIP L-512M", "ade20k-finetuned", "miou", 36.3),
    ("SuperCLIP B-512M", "llava-vqav2", "accuracy", 69.6), ("SuperCLIP B-512M", "llava-gqa", "accuracy", 57.5),
    ("SuperCLIP B-512M", "llava-vizwiz", "accuracy", 44.4), ("SuperCLIP B-512M", "llava-textvqa", "accuracy", 48.4),
    ("SuperCLIP B-512M", "llava-scienceqa", "accuracy", 69.1), ("SuperCLIP B-512M", "llava-mme", "perception", 1562),
    ("SuperCLIP B-512M", "llava-pope", "accuracy_or_f1", 82.0),
]  # fmt: skip


@pytest.fixture(scope="module")
def published() -> Published:
    return load_published()


@pytest.mark.parametrize(("task", "metric", "percent"), GOLDICLIP)
def test_goldiclip_values_with_their_setting(published: Published, task: str, metric: str, percent: float) -> None:
    (score,) = published.find("GoldiCLIP B/16", task, metric)
    assert score.value == pytest.approx(percent / 100) and SETTING in score.note and score.grade == "given"


@pytest.mark.parametrize(("model", "task", "metric", "printed"), SUPERCLIP)
def test_superclip_values(published: Published, model: str, task: str, metric: str, printed: float) -> None:
    score = published.find(model, task, metric)[0]
    assert score.value == pytest.approx(printed / (100 if score.unit == "percent" else 1)) and score.grade == "paper"


def test_gains_are_points_and_unreadable_values_are_empty_with_a_note(published: Published) -> None:
    gains = {score.value for score in published.scores if score.metric == "gain"}
    assert gains == {2.2, 2.0, 5.9}
    for task, metric in (("cars", "acc1"), ("flowers102", "acc1"), ("coco-goldiclip", "t2i_r1")):
        (score,) = published.find("GoldiCLIP B/16", task, metric)
        assert score.value is None and "not readable" in score.note


def test_every_row_has_a_source_and_secondary_ones_say_so(published: Published) -> None:
    assert len(published.scores) >= 1085
    assert all(score.source for score in published.scores)
    notes = [score for score in published.scores if "note" in score.source and score.grade != "secondary"]
    assert notes == []


def test_contradictory_rows_are_kept_and_name_each_other(published: Published) -> None:
    caltech = published.find("OpenAI CLIP B/16", "caltech101-102", "mean_per_class_recall")
    assert sorted(round(score.value or 0, 4) for score in caltech) == [0.8901, 0.9089]
    assert all("contradicted: " in score.note for score in caltech)
    same = published.find("FLAIR CC3M-recap B/16", "coco-val2017", "t2i_r1")
    assert len(same) == 2 and not any("contradicted" in score.note for score in same)


def test_one_vocabulary_with_the_cards(published: Published) -> None:
    """If a task has a card, the metric is one of that card."""
    cards = Catalogue().tasks
    for task, metric in published.columns:
        if task in cards:
            assert metric in cards[task].card.metrics(), (task, metric)


def test_protocols_that_clash_have_names_of_their_own(published: Published) -> None:
    assert {score.protocol for score in published.scores if score.task == "coco-val2017"} == {"val2017, all captions"}
    assert {score.protocol for score in published.scores if score.task == "coco-karpathy"} == {"Karpathy test"}
    assert published.find("DreamLIP Merged-30M B/32", "coco-karpathy", "t2i_r1") == []


def test_model_columns_agree_with_models_csv(published: Published) -> None:
    for file in packaged("results/published").glob("*.csv"):
        if file.name not in NOT_SCORES:
            for row in csv.DictReader(file.open(newline="")):
                model = published.models[row["model"]]
                assert (row["arch"], row["train_images"]) == (model.arch, model.train_images), row


GOOD = dict(zip(COLUMNS, ["M", "A", "1M", "t", "p", "acc1", "12.5", "percent", "s", "code", ""], strict=True))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"model": "X"}, "'X' is not in models.csv"),
        ({"value": "12,5"}, "is not a number"),
        ({"value": ""}, "an empty value needs a note"),
        ({"grade": "hearsay"}, "grade 'hearsay' must be one of"),
        ({"unit": "%"}, "unit '%' must be one of"),
    ],
)
def test_a_wrong_row_is_one_line_with_its_place(tmp_path: Path, change: dict[str, str], line: str) -> None:
    (tmp_path / "models.csv").write_text("model,arch,train_images,unique_pairs,images_seen,spec,note\nM,A,1M,,,,\n")
    with (tmp_path / "a.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerow(GOOD | change)
    with pytest.raises(GoldievalError, match=r"a\.csv:2: ") as error:
        load_published(tmp_path)
    assert line in str(error.value)
