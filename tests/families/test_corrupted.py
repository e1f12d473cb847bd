"""Classification of corrupted pictures: copies by hand, clusters, the typographic attack, runs and comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from family_cases import compared
from helpers import card, class_folders, goldieval, one_line, records, toy_model
from PIL import Image

import goldieval as library
from goldieval.core.errors import TaskError
from goldieval.data.corruptions.corrupted import CorruptedImage
from goldieval.data.image_source import NoImage
from goldieval.data.manage.preview.scored import scored_samples
from goldieval.data.samples import Dataset, ImageSample
from goldieval.families import zeroshot
from goldieval.families.base import Scored
from goldieval.scoring.similarities import GlobalSimilarity
from goldieval.tasks.card import Task, load_card
from goldieval.tasks.card_types import CARD_TYPES

NAMES = ["cat", "dog", "", "cat"]  # two classes may have one name, and a name may be empty
BASE: dict[str, Any] = {
    "name": "tiny", "version": 1, "protocol": "by hand", "title": "Tiny", "licence": "none", "family": "zeroshot",
    "source": {"reader": "folder", "path": "."},
}  # fmt: skip


class Grey:
    """A picture of one colour."""

    def key(self) -> str:
        return "grey"

    def open(self) -> Image.Image:
        return Image.new("RGB", (40, 30), (90, 90, 90))


def task(headline: str = "acc1", **params: Any) -> Task:
    content = BASE | {"headline": headline, "params": {"prompts": ["{c}"]} | params}
    return Task(CARD_TYPES["zeroshot"](**content), Path("card.yaml"))


def pictures(labels: list[int], names: list[str] = NAMES) -> Dataset:
    images = [ImageSample(f"p#{row}", Grey(), f"{row}.png") for row in range(len(labels))]
    return Dataset(images, np.array(labels), names)


def scored(of: Task, labels: list[int], predictions: list[int]) -> Scored:
    """Score the copies of pictures with given predictions."""
    made = zeroshot.FAMILY.enlarged(of, pictures(labels, ["cat", "dog", "cow"]))
    prepared = zeroshot.FAMILY.prepare(of, made)
    return compared(zeroshot.FAMILY, prepared, GlobalSimilarity(torch.eye(3)[predictions], torch.eye(3)))


def test_without_corruptions_nothing_changes() -> None:
    data = pictures([0, 1])
    assert zeroshot.FAMILY.enlarged(task(), data) is data
    names = task().card.metrics()
    assert not [name for name in names if "under" in name or "attack" in name]


def test_every_picture_has_a_copy_of_each_kind_and_severity() -> None:
    made = zeroshot.FAMILY.enlarged(task(corruptions=["fog", "snow"], severities=[1, 4]), pictures([0, 1]))
    assert [image.id for image in made.images[:4]] == ["p#0#fog-1", "p#0#fog-4", "p#0#snow-1", "p#0#snow-4"]
    assert made.labels is not None and made.labels.tolist() == [0] * 4 + [1] * 4
    assert len({image.source.key() for image in made.images}) == 4, "keys follow from the content of the pictures"


def test_metrics_by_hand() -> None:
    of = task(corruptions=["fog", "snow"], severities=[1, 4])
    found = scored(of, [0, 1, 1], [0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1])
    metrics = {name: found.metrics[name].value for name in found.metrics if "acc1" in name or "mean" in name}
    assert metrics == pytest.approx(
        {
            "acc1": 9 / 12, "mean_per_class_recall": (3 / 4 + 6 / 8) / 2, "acc1_under_fog": 4 / 6,
            "acc1_under_snow": 5 / 6, "acc1_under_severity_1": 5 / 6, "acc1_under_severity_4": 4 / 6,
        }
    )  # fmt: skip
    assert found.outcomes["cluster_id"].tolist() == np.repeat(["p#0", "p#1", "p#2"], 4).tolist()
    assert all(found.metrics[name].clusters == 3 for name in metrics)


def test_copies_of_a_picture_are_no_independent_samples() -> None:
    """Equal answers on ten copies say no more than one answer: the interval is that of the pictures."""
    labels, kinds = [0] * 40, ["fog", "snow"]
    right = [0 if row < 20 else 1 for row in range(40)]
    copied = scored(task(corruptions=kinds), labels, np.repeat(right, 10).tolist()).metrics
    for name in ("acc1", "mean_per_class_recall"):
        assert copied[name].high is not None and copied[name].low is not None
        assert copied[name].high - copied[name].low == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 40), rel=0.1)


def test_the_attack_writes_a_wrong_class_with_another_name() -> None:
    made = zeroshot.FAMILY.enlarged(task(corruptions=["typographic"]), pictures([0, 1, 2, 3] * 20))
    for image, label in zip(made.images, made.labels, strict=True):  # type: ignore[arg-type]
        assert isinstance(image.source, CorruptedImage)
        word = NAMES[image.source.written_class]
        assert word == image.source.corruption.word and word and word != NAMES[label]
    words = {image.source.written_class for image in made.images if isinstance(image.source, CorruptedImage)}
    assert len(words) > 2 and scored_words(0) != scored_words(1)


def scored_words(seed: int) -> list[int]:
    made = zeroshot.FAMILY.enlarged(task(corruptions=["typographic"], corruption_seed=seed), pictures([2] * 30))
    return [image.source.written_class for image in made.images if isinstance(image.source, CorruptedImage)]


def test_attack_success_counts_the_copies_with_a_word_only() -> None:
    of = task(corruptions=["fog", "typographic"], severities=[2])
    made = zeroshot.FAMILY.enlarged(of, pictures([0, 0, 0], ["cat", "dog", "cow"]))
    written = [image.source.written_class for image in made.images if isinstance(image.source, CorruptedImage)]
    assert written[::2] == [-1] * 3
    other = 3 - written[5]
    found = scored(of, [0, 0, 0], [written[1], written[1], 0, 0, 0, other])
    assert found.metrics["attack_success"].value == pytest.approx(1 / 3) and found.metrics["attack_success"].n == 3
    assert found.outcomes["written_class"].tolist() == written


def test_what_cannot_be_corrupted_is_one_line() -> None:
    with pytest.raises(TaskError, match="none beside 'cat'"):
        zeroshot.FAMILY.enlarged(task(corruptions=["typographic"]), pictures([0], ["cat", " "]))
    ids = Dataset([ImageSample("1", NoImage())], np.array([0]), ["cat"])
    with pytest.raises(TaskError, match="need pictures"):
        zeroshot.FAMILY.enlarged(task(corruptions=["fog"]), ids)
    for wrong in ({"severities": [6]}, {"severities": []}, {"corruptions": ["rain"]}, {"corruptions": ["fog"] * 2}):
        with pytest.raises(ValueError, match=r"severit|corruptions"):
            task(**wrong)
    with pytest.raises(ValueError, match="take pictures as independent"):
        task(corruptions=["fog"], macro_f1=True)


def test_a_users_pictures_are_corrupted_and_two_models_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    class_folders(tmp_path / "data", {"cat": 6, "dog": 6})
    file = card(tmp_path)
    models = []
    for name in "ab":
        (tmp_path / name).mkdir()
        models.append(toy_model(tmp_path / name))
    text = Path(models[1].removesuffix(":load")).read_text().replace('"0" * 64', '"1" * 64').replace("- 0.5", "- 0.4")
    Path(models[1].removesuffix(":load")).write_text(text.replace("toy-image", "other-image"))
    more = ["--tasks", file, "--set", "corruptions=[fog, pixelate]", "--set", "severities=[1, 5]", "--limit", "10"]
    ran = goldieval("run", "--model", models[0], "--model", models[1], *more)
    assert ran.code == 0, ran.err
    first = records(tmp_path / "results")
    for record in first:
        assert record["data"]["seen"]["images"] == 12 and record["task"]["limit"] == 10
        assert record["metrics"]["acc1"]["n"] == 40 and record["metrics"]["acc1"]["clusters"] == 10
        assert "corruptions" in record["task"]["protocol"]
    sides = sorted(map(str, (tmp_path / "results").iterdir()))
    rows = {row.metric: row for row in library.compare(*sides, tmp_path / "results", all_metrics=True).rows}
    assert rows["acc1"].n == 40 and rows["acc1_under_fog"].n == 20 and "acc1_under_severity_5" in rows
    assert goldieval("compare", *sides, "--html", "page.html").code == 0
    assert "data:image/jpeg" in (tmp_path / "page.html").read_text()
    again = goldieval("run", "--model", models[0], *more, "--out", "again", "--workers", "1", "--no-cache")
    assert again.code == 0, again.err
    same = next(r for r in first if r["model"]["fingerprint"] == records(tmp_path / "again")[0]["model"]["fingerprint"])
    assert records(tmp_path / "again")[0]["metrics"] == same["metrics"]
    assert records(tmp_path / "again")[0]["data"]["sha256"] == same["data"]["sha256"]


def test_a_preview_shows_the_corrupted_pictures(tmp_path: Path) -> None:
    class_folders(tmp_path / "data", {"cat": 2, "dog": 2})
    file = card(tmp_path, params={"prompts": ["a {c}"], "corruptions": ["fog"], "severities": [1, 5]})
    ran = goldieval("data", "preview", file, "--out", tmp_path / "page.html")
    assert ran.code == 0, ran.err
    page = (tmp_path / "page.html").read_text()
    assert [page.count(f"fog, severity {severity}") for severity in (1, 5)] == [4, 4]
    task = load_card(file)
    shown = [sample.image.id for sample in scored_samples(task, task.card.source.read(tmp_path / "data"), None, 8)]
    assert len(set(shown)) == 8, "no sample twice"


def test_a_wrong_kind_is_one_line(tmp_path: Path) -> None:
    ran = goldieval("run", "--model", "random", "--tasks", "shapes-zeroshot", "--set", "corruptions=[rain]")
    assert ran.code != 0 and "params.corruptions" in one_line(ran.err)


def test_shipped_cards_have_the_pictures_and_prompts_of_their_clean_ones() -> None:
    for name, clean in {
        "imagenet-c-like": "imagenet", "imagenet-typographic": "imagenet", "cifar10-c-like": "cifar10",
    }.items():  # fmt: skip
        corrupt, base = (library.load_task(each).card for each in (name, clean))
        assert corrupt.source == base.source and corrupt.expect == base.expect
        own, other = corrupt.params.model_dump(), base.params.model_dump()
        assert {key for key in own if own[key] != other[key]} == {"corruptions"}
