"""SugarCrepe's two numbers, each by its own name: accuracy over all items, and the mean of the seven splits."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from family_cases import compared

from goldieval.core.errors import TaskError
from goldieval.data.image_source import NoImage
from goldieval.data.samples import Dataset, ImageSample, TextSample
from goldieval.engine.load import _check_counts
from goldieval.families import choice
from goldieval.families.base import Scored
from goldieval.metrics.registry import metric_of
from goldieval.report.numbers import label
from goldieval.tasks.card import Task
from goldieval.tasks.catalogue import load_task

ORACLES = Path(__file__).parents[3] / "shared/data/oracles"
SPLITS = {
    "add_att": 692, "add_obj": 2062, "replace_att": 788, "replace_obj": 1652, "replace_rel": 1406, "swap_att": 666,
}  # fmt: skip
SWAP_OBJ = {"sugarcrepe": 245, "sugarcrepe-2023": 246}


class Answers:
    """A model that scores the true pair above the false one where it should."""

    def __init__(self, right: np.ndarray) -> None:
        self.scores = torch.stack([torch.as_tensor(right), 1 - torch.as_tensor(right)], dim=1).float().ravel()

    def pairs(self, images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        return self.scores[texts]


def scored(task: Task, splits: list[str], files: list[str], right: np.ndarray) -> Scored:
    """Score answers to items. splits, files, right: (items,)."""
    _, image = np.unique(files, return_inverse=True)
    owner, kinds = np.repeat(image, 2), np.array(splits)
    pairs = np.stack([owner, np.arange(len(owner))], axis=1).reshape(-1, 2, 2)
    data = Dataset(
        [ImageSample(str(row), NoImage()) for row in range(int(image.max()) + 1)],
        texts=[TextSample(f"t{row}", f"text {row}") for row in range(len(owner))],
        owner=owner,
        choices=pairs,
        strata={name: kinds == name for name in dict.fromkeys(splits)},
    )
    return compared(choice.FAMILY, choice.FAMILY.prepare(task, data), Answers(right))


@pytest.mark.parametrize(
    ("name", "micro", "mean"), [("sugarcrepe_openai-b32", 76.56, 73.08), ("sugarcrepe_clip-coco", 84.66, 80.40)]
)
def test_known_answers_of_two_models(name: str, micro: float, mean: float) -> None:
    file = ORACLES / f"{name}.csv"
    if not file.is_file():
        pytest.skip("the answers do not lie beside the checkout")
    rows = list(csv.DictReader(file.open()))
    splits = [f"{row['type']}_{row['subtype']}" for row in rows]
    right = np.array([float(row["correct"]) for row in rows])
    task = load_task("sugarcrepe-2023")
    assert Counter(splits) == SPLITS | {"swap_obj": 246} and len(rows) == 7_512
    assert len({row["filename"] for row in rows}) == task.card.expect.images
    found = scored(task, splits, [row["filename"] for row in rows], right).metrics
    assert round(100 * found["accuracy"].value, 2) == micro and round(100 * found["mean_accuracy"].value, 2) == mean
    assert all(metric.low < metric.value < metric.high for metric in found.values())  # type: ignore[operator]
    assert not any(metric.unreliable for metric in found.values())


def test_both_numbers_of_splits_of_unlike_size() -> None:
    splits = [*SPLITS, "swap_obj"]
    sizes = np.array([1, 2, 3, 4, 5, 6, 19])
    right = np.concatenate([np.arange(size) < size // 2 for size in sizes]).astype(float)
    group = np.repeat(splits, sizes).tolist()
    found = scored(load_task("sugarcrepe"), group, [str(row // 2) for row in range(len(group))], right).metrics
    assert found["accuracy"].value == pytest.approx(right.sum() / 40)
    assert found["mean_accuracy"].value == pytest.approx(np.mean((sizes // 2) / sizes))
    assert found["mean_accuracy"].unreliable and found["accuracy"].n == found["mean_accuracy"].n == 40


def test_the_headline_is_the_papers_and_no_two_numbers_share_a_name() -> None:
    for name in SWAP_OBJ:
        card = load_task(name).card
        assert card.headline == "accuracy" and "mean of the 7 splits" in card.protocol
    assert all(metric_of(name).in_summary for name in ("accuracy", "mean_accuracy"))
    assert len({label(name) for name in ("accuracy", "mean_accuracy", "macc", "mean_per_class_recall", "aacc")}) == 5


@pytest.mark.parametrize("name", SWAP_OBJ)
def test_the_file_of_the_other_era_is_refused(name: str) -> None:
    task = load_task(name)
    items = sum(SPLITS.values()) + SWAP_OBJ[name]
    assert task.card.expect.texts == 2 * items and f"{items:,} items" in task.card.protocol
    other = load_task(next(each for each in SWAP_OBJ if each != name)).card.expect
    with pytest.raises(TaskError, match=f"{other.texts:,} texts instead of {2 * items:,}"):
        _check_counts(task, {"images": other.images or 0, "texts": other.texts or 0})
