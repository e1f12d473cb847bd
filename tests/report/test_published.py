"""Published numbers: content, names shared with the cards, and invalid rows."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from goldieval.core.errors import GoldievalError
from goldieval.metrics.metric import Metric
from goldieval.metrics.registry import metric_of
from goldieval.report.published import COLUMNS, NOT_SCORES, Published, load_published
from goldieval.tasks.catalogue import Catalogue, packaged

SETTING = "leaderboard page, setting unknown"
GOLDICLIP = [
    ("voc20", "miou", 70), ("pc59", "miou", 29.5), ("coco-stuff", "miou", 19.4), ("ade20k", "miou", 16.4),
    ("cityscapes", "miou", 28.9), ("cifar10", "acc1", 92.9), ("food101", "acc1", 74.0), ("pets", "acc1", 62.7),
]  # fmt: skip
SUPERCLIP = [
    ("SuperCLIP L-512M", "imagenet-probe-superclip", "acc1", 81.0),
    ("SuperCLIP L-512M", "ade20k-finetuned", "miou", 36.3),
    ("SuperCLIP B-512M", "vqav2-testdev", "accuracy", 69.6), ("SuperCLIP B-512M", "gqa", "accuracy", 57.5),
    ("SuperCLIP B-512M", "vizwiz-test", "accuracy", 44.4), ("SuperCLIP B-512M", "textvqa-val", "accuracy", 48.4),
    ("SuperCLIP B-512M", "scienceqa-img", "accuracy", 69.1), ("SuperCLIP B-512M", "mme", "perception", 1562),
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


UNDEFINED = {
    "average", "accuracy_or_f1", "f1", "jaccard", "macro_f1", "mean_accuracy", "map_at_r", "r_precision", "t2i_ndcg10",
    "i2t_map_at_r", "t2i_map_at_r", "i2t_r_precision", "t2i_r_precision", "worst_group_acc1", "worst_group_acc5",
}  # fmt: skip
"""Metrics of published rows that no definition has, or that only some cards have; a new one is added on purpose."""


def test_one_vocabulary_of_metrics(published: Published) -> None:
    """A metric that no card has is one that a definition knows, or one of the list above."""
    names = {metric for _, metric in published.columns}
    sides = {name for name in names if name.startswith(("text_score_", "image_score_", "group_score_"))}
    assert {name for name in names - sides if type(metric_of(name)) is Metric} <= UNDEFINED
    assert {task for task, metric in published.columns if metric in sides} == {"mmvp-vlm-vlcompo"}


def test_names_of_other_harnesses_belong_to_one_model(published: Published) -> None:
    names = [name for model in published.models.values() for name in model.also]
    assert len(names) == len(set(names)) > 150
    for name, model in (("ViT-B-16/openai", "OpenAI CLIP B/16"), ("mobileclip2_s0", "MobileCLIP2-S0")):
        found = published.named(name)
        assert found is not None and found.name == model


def test_sizes_are_of_published_tasks(published: Published) -> None:
    rows = [size for size in published.sizes if size.task not in published.tasks]
    assert rows == [] and all(size.of in ("images", "items", "pairs", "captions") for size in published.sizes)
    assert published.size("sugarcrepe", "accuracy_swap_obj") == 224
    assert published.size("mmvp-vlm-vlcompo", "text_score_texts") == 15
    assert published.size("imagenet", "acc1") is None


@pytest.mark.parametrize("row", ["t,acc1,many,images,s", "t,acc1,0,images,s", "t,acc1,5,images,"])
def test_a_wrong_size_is_one_line_with_its_place(tmp_path: Path, row: str) -> None:
    (tmp_path / "models.csv").write_text("model,arch,train_images,unique_pairs,images_seen,spec,note\n")
    (tmp_path / "sizes.csv").write_text(f"task,metric,n,of,source\n{row}\n")
    with pytest.raises(GoldievalError, match=r"sizes\.csv:2: .*size needs"):
        load_published(tmp_path)


def test_the_numbers_of_the_second_reading_are_there(published: Published) -> None:
    """One number of each source; the files were made from a list of 3,794 rows."""
    expected = [
        ("OpenAI CLIP B/16", "datacomp-38", "average", 0.5626), ("OpenAI CLIP B/16", "imagenet-a", "acc1", 0.4995),
        ("OpenAI CLIP B/32", "bivlc", "group_score", 0.4906),
        ("CLIP fine-tuned on COCO (BiVLC) B/32", "bivlc", "text_score", 0.8275),
        ("MobileCLIP2-S0", "datacomp-38", "average", 0.597), ("FG-CLIP 2 B/16", "fgovd-hard", "acc1", 0.523),
        ("OpenAI CLIP B/32", "sugarcrepe-2023", "accuracy_replace_obj", 0.9092),
        ("NegCLIP B/32", "aro-relation", "mean_accuracy", 0.8176),
        ("SuperCLIP B-512M, short and long", "datacomp-38", "average", 0.451),
    ]  # fmt: skip
    for model, task, metric, value in expected:
        assert value in [round(score.value or 0, 4) for score in published.find(model, task, metric)], (model, task)
    assert len(published.scores) >= 4_800


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
