"""Image-to-image retrieval: by label or by pairs, with the query left out of its gallery."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from family_cases import pictures
from helpers import class_folders, goldieval, toy_model

from goldieval import evaluate
from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset
from goldieval.data.subset import keep_images
from goldieval.families import image_retrieval
from goldieval.families.base import Prepared, family_of
from goldieval.scoring.cosine import image_ranks, unit
from goldieval.tasks.card import Task
from goldieval.tasks.card_types import CARD_TYPES

FAMILY = family_of("image_retrieval")
CARD: dict[str, Any] = {
    "name": "tiny", "version": 1, "protocol": "p", "title": "Tiny", "licence": "none", "family": "image_retrieval",
    "source": {"reader": "folder", "path": "data"}, "headline": "i2i_r1",
}  # fmt: skip


def prepared(dataset: Dataset, **params: Any) -> Prepared[Any]:
    return FAMILY.prepare(Task(CARD_TYPES["image_retrieval"](**CARD, params=params), Path("card.yaml")), dataset)


def test_images_of_a_class_find_each_other_and_never_themselves() -> None:
    labels = np.array([0, 0, 1, 1, 1, 2, 0, 1])
    task = prepared(Dataset(pictures(8), labels=labels), k=[1, 2], metrics=["map_at_r", "mrr"])
    vectors = unit(torch.randn(8, 6, generator=torch.Generator().manual_seed(0)), "image")
    scored = FAMILY.score(task, image_ranks(vectors, torch.as_tensor(task.alike), True))
    scores = (vectors @ vectors.T).numpy().astype(float)
    np.fill_diagonal(scores, -np.inf)
    order = np.argsort(-scores, axis=1)[:, :-1]
    right = labels[order] == labels[:, None]
    asked = np.flatnonzero(labels != 2)  # an image alone in its class asks nothing
    assert scored.outcomes["sample_id"].tolist() == [f"pic{row}" for row in asked]
    for k in (1, 2):
        assert scored.metrics[f"i2i_r{k}"].value == pytest.approx(right[asked, :k].any(axis=1).mean())
    values = []
    for row in asked:
        total = int(right[row].sum())
        places = np.flatnonzero(right[row][:total]) + 1
        values.append((np.arange(1, len(places) + 1) / places).sum() / total)
    assert scored.metrics["i2i_map_at_r"].value == pytest.approx(np.mean(values))
    assert scored.metrics["i2i_mrr"].value == pytest.approx(np.mean(1 / (right[asked].argmax(axis=1) + 1)))
    sizes = np.bincount(labels)[labels[asked]] - 1
    assert scored.metrics["i2i_r1"].chance == pytest.approx(np.mean(sizes / 7))
    assert not (scored.outcomes["right_id"] == scored.outcomes["sample_id"]).any()


def test_equal_images_tie_and_share_the_hit() -> None:
    """Three equal vectors, of which two belong together: a hit is worth one half."""
    vectors = torch.tensor([[1.0, 0], [1, 0], [1, 0], [0, 1]])
    ranks = image_ranks(vectors, torch.tensor([[0, 1], [1, 0]]), True)
    assert ranks.gallery == 3 and ranks.hits(1)[:2].tolist() == [0.5, 0.5]
    assert ranks.of(np.array([0])).groups.precision_sum()[0] == pytest.approx((1 + 1 / 2) / 2)  # type: ignore[union-attr]


def test_pairs_take_the_place_of_labels_and_follow_a_subset() -> None:
    pairs = np.array([[0, 3], [3, 0], [1, 2], [2, 1]])
    dataset = Dataset(pictures(5), alike=pairs)
    assert prepared(dataset).alike.tolist() == pairs.tolist()
    part = keep_images(dataset, np.array([True, False, True, True, True]))
    assert part.alike is not None and part.alike.tolist() == [[0, 2], [2, 0]]


def test_data_without_pairs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TaskError, match="name the column of their class or group"):
        prepared(Dataset(pictures(3)))
    with pytest.raises(TaskError, match="none of these 3 images belongs to another"):
        prepared(Dataset(pictures(3), labels=np.arange(3)))
    monkeypatch.setattr(image_retrieval, "MOST_PAIRS", 5)
    with pytest.raises(TaskError, match="6 pairs of images share a class, more than 5"):
        prepared(Dataset(pictures(3), labels=np.zeros(3, dtype=int)))


def test_a_folder_of_classes_is_evaluated_and_compared(tmp_path: Path) -> None:
    class_folders(tmp_path / "data", {"cat": 4, "dog": 5})
    file = tmp_path / "card.yaml"
    lines = [f"{key}: {value}" for key, value in CARD.items() if key != "source"]
    file.write_text("\n".join([*lines, "source: {reader: folder, path: data}", "params: {k: [1, 2], metrics: [map]}"]))
    model, out = toy_model(tmp_path), tmp_path / "results"
    (record,) = evaluate(model, str(file), out=out, cache=False)
    assert record.status == "ok", record.reason
    assert record.task.scoring == "features" and record.metrics["i2i_r1"].n == 9
    evaluate("goldiclip", str(file), out=out, cache=False)
    ran = goldieval(
        "compare", "toy*", "goldiclip", "--out", str(out), "--all-metrics", "--html", str(tmp_path / "p.html")
    )
    assert ran.code == 0 and "I2I R@1" in ran.out and "I2I mAP" in ran.out, ran.out + ran.err
