"""The family ``probe``: the solver against scikit-learn, choosing without the test images, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import card
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from goldieval import evaluate
from goldieval.card import load_card
from goldieval.data.samples import Dataset, ImageSample, NoImage
from goldieval.data.subset import keep_images
from goldieval.errors import TaskError
from goldieval.families import probe
from goldieval.families.base import Scored
from goldieval.scoring.logistic import fit


def clouds(rows: int, classes: int, dim: int, seed: int = 0, spread: float = 1.0) -> tuple[torch.Tensor, np.ndarray]:
    """Return features around one centre a class, and labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % classes
    centres = np.random.default_rng(1).normal(size=(classes, dim))
    return torch.tensor(centres[labels] + spread * rng.normal(size=(rows, dim)), dtype=torch.float32), labels


@pytest.mark.parametrize("penalty", [1.0, 0.01, 1e-4])
def test_solver_finds_scikit_learns_optimum(penalty: float) -> None:
    features, labels = clouds(300, 4, 6, spread=2.0)
    ours = fit(features, torch.as_tensor(labels), 4, penalty, 500)
    scaled = StandardScaler().fit_transform(features.numpy())
    theirs = LogisticRegression(C=1 / (penalty * len(labels)), tol=1e-8, max_iter=5000).fit(scaled, labels)
    found = torch.softmax(ours.scores(features), dim=1).numpy()
    np.testing.assert_allclose(found, theirs.predict_proba(scaled), atol=2e-3)
    assert (ours.scores(features).argmax(1).numpy() == theirs.predict(scaled)).mean() > 0.99


def test_start_changes_the_steps_and_not_the_optimum() -> None:
    features, labels = clouds(200, 3, 5, spread=2.0)
    cold = fit(features, torch.as_tensor(labels), 3, 0.01, 500)
    warm = fit(features, torch.as_tensor(labels), 3, 0.01, 500, cold)
    assert warm.steps < cold.steps
    torch.testing.assert_close(warm.scores(features), cold.scores(features), atol=1e-2, rtol=0)


def dataset(labels: np.ndarray, train: np.ndarray) -> Dataset:
    images = [ImageSample(f"i{row}", NoImage()) for row in range(len(labels))]
    return Dataset(images, labels=labels, class_names=[f"c{n}" for n in range(labels.max() + 1)], train=train)


def task(tmp_path: Path, **params: Any) -> Any:
    content = {"params": params, "headline": "acc1", "source": {"content": "probe", "scenes": 10, "path": ""}}
    return load_card(card(tmp_path, "shapes", "probe", **content))


def scored(tmp_path: Path, features: torch.Tensor, data: Dataset, **params: Any) -> Scored:
    return probe.score(probe.prepare(task(tmp_path, **params), data), features)


def test_only_test_images_are_scored_and_their_labels_are_not_learned_from(tmp_path: Path) -> None:
    features, labels = clouds(240, 6, 8, spread=1.5)
    train = np.arange(240) < 180
    honest = scored(tmp_path, features, dataset(labels, train))
    assert honest.metrics["acc1"].n == 60 and honest.metrics["acc1"].chance == pytest.approx(1 / 6)
    assert set(honest.outcomes["sample_id"]) == {f"i{row}" for row in range(180, 240)}
    assert honest.metrics["acc1"].value > 0.5 and "acc5" in honest.metrics
    other = labels.copy()
    other[~train] = np.random.default_rng(3).permutation(other[~train])
    shuffled = scored(tmp_path, features, dataset(other, train))
    assert shuffled.probe == honest.probe
    assert (shuffled.outcomes["prediction"] == honest.outcomes["prediction"]).all()
    assert shuffled.metrics["acc1"].value < 0.5


def test_recipe_is_recorded_and_the_best_penalty_of_the_held_out_part_is_taken(tmp_path: Path) -> None:
    features, labels = clouds(300, 3, 20, spread=3.0)
    found = scored(tmp_path, features, dataset(labels, np.arange(300) < 200), penalties=[1e-6, 10, 0.1]).probe
    assert found is not None and found.penalties == [10, 0.1, 1e-6] and found.train == 200
    assert found.heldout == sum(max(1, int(0.1 * int((labels[:200] == c).sum()))) for c in range(3))
    assert found.penalty == found.penalties[int(np.argmax(found.heldout_accuracy))]
    assert "L-BFGS" in found.solver and found.steps > 0


def test_a_penalty_at_the_end_of_the_list_is_told(tmp_path: Path) -> None:
    features, labels = clouds(60, 2, 3, spread=0.1)
    told = scored(tmp_path, features, dataset(labels, np.arange(60) < 40), penalties=[1, 0.1]).warnings
    assert any("at the end of those tried" in line for line in told)


def test_a_solver_that_ran_out_of_steps_is_told(tmp_path: Path) -> None:
    features, labels = clouds(60, 3, 8, spread=2.0)
    data = dataset(labels, np.arange(60) < 40)
    assert any("took all 2 steps" in line for line in scored(tmp_path, features, data, steps=2).warnings)
    assert not any("steps" in line for line in scored(tmp_path, features, data, penalties=[1], steps=500).warnings)


def test_held_out_part_is_a_tenth_of_each_class_whatever_the_order() -> None:
    ids, labels = [f"i{row}" for row in range(60)], np.arange(60) % 3
    rows = probe.held_out(ids, labels, 0.1)
    assert np.bincount(labels[rows]).tolist() == [2, 2, 2]
    back = probe.held_out(ids[::-1], labels[::-1], 0.1)
    assert {ids[row] for row in rows} == {ids[::-1][row] for row in back}
    with pytest.raises(TaskError, match="two images of some class"):
        probe.held_out(["a", "b"], np.array([0, 1]), 0.1)


def test_refusals_are_one_line(tmp_path: Path) -> None:
    labels, train = np.array([0, 1, 0, 1]), np.array([True, True, False, False])
    asked = task(tmp_path)
    with pytest.raises(TaskError, match="needs labels"):
        probe.prepare(asked, Dataset([ImageSample("a", NoImage())]))
    with pytest.raises(TaskError, match="name `train`"):
        probe.prepare(asked, Dataset([ImageSample("a", NoImage())], labels=np.array([0])))
    with pytest.raises(TaskError, match="all of these are to learn from"):
        probe.prepare(asked, dataset(labels, np.ones(4, dtype=bool)))
    with pytest.raises(TaskError, match="1 classes have test images and none to learn from: c1"):
        probe.prepare(asked, keep_images(dataset(labels, train), np.array([True, False, True, True])))


def test_drawn_probe_learns_on_train_scenes_and_is_tested_on_others(tmp_path: Path) -> None:
    source = {"content": "probe", "scenes": 24, "train_scenes": 168, "path": ""}
    file = card(tmp_path, "shapes", "probe", source=source, headline="acc1")
    (record,) = evaluate("goldiclip", str(file), out=None, cache=False)
    assert record.status == "ok" and record.probe is not None
    assert record.data.seen["train"] == 168 == record.probe.train and record.data.seen["images"] <= 24
    assert record.task.scoring == "features" and record.truncation is None
