"""Probes by other methods than logistic regression, against brute force, scikit-learn and autograd."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import card
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier

from goldieval import evaluate
from goldieval.core.errors import GoldievalError
from goldieval.data.image_source import NoImage
from goldieval.data.samples import Dataset, ImageSample
from goldieval.families import probe
from goldieval.families.base import Scored
from goldieval.families.probe_data import lowest_hashes
from goldieval.families.probe_few_shot import prototypes
from goldieval.scoring import lars, neighbours, ridge
from goldieval.scoring.cosine import unit
from goldieval.tasks.card import Task, load_card


def clouds(rows: int, classes: int, dim: int, seed: int = 0, spread: float = 2.0) -> tuple[torch.Tensor, np.ndarray]:
    """Return unit vectors around one centre per class, and labels."""
    generator = np.random.default_rng(seed)
    labels = np.arange(rows) % classes
    centres = np.random.default_rng(1).normal(size=(classes, dim))
    return unit(centres[labels] + spread * generator.normal(size=(rows, dim)), "image"), labels


def dataset(labels: np.ndarray, train: np.ndarray) -> Dataset:
    images = [ImageSample(f"i{row}", NoImage()) for row in range(len(labels))]
    return Dataset(images, labels=labels, class_names=[f"c{n}" for n in range(labels.max() + 1)], train=train)


def task(folder: Path, headline: str = "acc1", **params: Any) -> Task:
    content = {"params": params, "headline": headline, "source": {"content": "probe", "scenes": 10, "path": ""}}
    return load_card(card(folder, "shapes", "probe", **content))


def scored(folder: Path, features: torch.Tensor, data: Dataset, **params: Any) -> Scored:
    prepared = probe.FAMILY.prepare(task(folder, **params), data)
    rows = [int(image.id[1:]) for image in prepared.dataset.images]
    return probe.FAMILY.score(prepared, features[rows])


@pytest.mark.parametrize("bank", [7, 16, 10_000])
def test_nearest_equal_a_full_sort_with_ties_in_order(bank: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors on a small grid repeat, so that many cosines are equal; the smaller index is first."""
    generator = torch.Generator().manual_seed(0)
    vectors = unit(torch.randint(0, 3, (50, 3), generator=generator).float() + 0.25, "image")
    monkeypatch.setattr(neighbours, "BANK", bank)
    distinct = torch.cat([vectors[:20], 0.5 * vectors[20:]])  # few exact ties within a tile
    scores, rows = neighbours.nearest(vectors[:9], distinct, 12)
    whole = vectors[:9] @ distinct.T
    expected, _ = whole.sort(dim=1, descending=True, stable=True)
    torch.testing.assert_close(scores, expected[:, :12])
    torch.testing.assert_close(whole.gather(1, rows), scores)
    assert all(len(set(own)) == 12 for own in rows.tolist())
    same = scores[:, 1:] == scores[:, :-1]
    assert bool((rows[:, 1:] > rows[:, :-1])[same].all())


@pytest.mark.parametrize("count", [1, 5, 20])
def test_votes_equal_scikit_learn(tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = clouds(400, 6, 8)
    train = np.arange(400) < 300
    monkeypatch.setattr(neighbours, "BANK", 64)
    monkeypatch.setattr(neighbours, "QUERIES", 32)
    found = scored(tmp_path, features, dataset(labels, train), method="knn", neighbours=[count, 7])

    def weigh(distances: np.ndarray) -> np.ndarray:
        return np.exp((1 - distances) / 0.07)

    peer = KNeighborsClassifier(count, weights=weigh, metric="cosine", algorithm="brute")
    peer.fit(features[train].numpy(), labels[train])
    shares = peer.predict_proba(features[~train].numpy())
    assert found.outcomes["prediction"].tolist() == shares.argmax(1).tolist()
    assert found.metrics["acc1"].value == pytest.approx(peer.score(features[~train].numpy(), labels[~train]))
    assert found.outcomes["place_knn7"].shape == (100,) and "acc1_knn7" in found.metrics
    own = shares[np.arange(100), labels[~train]]
    assert (found.outcomes["place"][own == 0] == 5).all(), "a class for which nobody votes ranks last"
    assert found.probe is not None and found.probe.settings == {"neighbours": [count, 7], "temperature": 0.07}


def test_more_neighbours_than_training_images_is_said(tmp_path: Path) -> None:
    features, labels = clouds(40, 2, 4)
    found = scored(tmp_path, features, dataset(labels, np.arange(40) < 10), method="knn")
    assert any("10 training images, fewer than 200 neighbours" in line for line in found.warnings)
    everything = scored(tmp_path, features, dataset(labels, np.arange(40) < 10), method="knn", neighbours=[10])
    assert found.metrics["acc1"] == everything.metrics["acc1"] and not everything.warnings


@pytest.mark.parametrize("rows", [9, 40])
@pytest.mark.parametrize("l2", [1.0, 1024.0])
def test_ridge_equals_scikit_learn_in_both_forms(rows: int, l2: float, monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = clouds(rows, 3, 12)
    monkeypatch.setattr(ridge, "ROWS", 16)
    found = ridge.fit_ridge(features, torch.as_tensor(labels), 3, l2)
    inside = features.double().numpy()
    standard = (inside - inside.mean(0)) / (inside.std(0) + 1e-5)
    extended = np.hstack([standard, np.full((rows, 1), 100.0)])
    targets = 2 * np.eye(3)[labels] - 1
    peer = Ridge(alpha=l2, fit_intercept=False, solver="svd").fit(extended, targets)
    np.testing.assert_allclose(found.weight.numpy().T, peer.coef_, atol=1e-9)
    np.testing.assert_allclose(found.scores(features).numpy(), peer.predict(extended), atol=1e-8)


def test_samples_depend_on_ids_alone_and_contain_smaller_ones() -> None:
    generator = np.random.default_rng(0)
    ids, labels = [f"image {n}" for n in range(60)], np.arange(60) % 4
    order = generator.permutation(60)
    for seed in range(3):
        some = lowest_hashes(ids, labels, 5, seed)
        moved = lowest_hashes([ids[row] for row in order], labels[order], 5, seed)
        assert {ids[row] for row in some} == {ids[order[row]] for row in moved}
        assert np.bincount(labels[some]).tolist() == [5] * 4
        assert set(lowest_hashes(ids, labels, 2, seed)) <= set(some)
        first = min((row for row in range(60) if labels[row] == 1), key=lambda row: _hash(seed, ids[row]))
        assert lowest_hashes(ids, labels, 1, seed)[labels[lowest_hashes(ids, labels, 1, seed)] == 1].tolist() == [first]
    assert set(lowest_hashes(ids, labels, 5, 0)) != set(lowest_hashes(ids, labels, 5, 1))
    assert len(lowest_hashes(ids, labels, 100, 0)) == 60


def _hash(seed: int, id: str) -> bytes:
    return hashlib.sha256(f"{seed}/{id}".encode()).digest()


@pytest.mark.parametrize("method", ["ridge", "prototype"])
def test_few_shot_is_the_mean_over_samples_and_only_these_are_encoded(tmp_path: Path, method: str) -> None:
    features, labels = clouds(600, 5, 16)
    train = np.arange(600) < 500
    how = {"method": method, "shots": [4, 1], "seeds": 3, "headline": "acc1_4shot"}
    found = scored(tmp_path, features, dataset(labels, train), **how)
    assert list(found.metrics) == ["acc1_4shot", "acc1_1shot"] and "acc1" not in found.metrics
    for shots in (1, 4):
        values = []
        for seed in range(3):
            rows = lowest_hashes([f"i{row}" for row in range(500)], labels[:500], shots, seed)
            fit, true = features[rows], torch.as_tensor(labels[rows])
            tested = features[500:]
            scores = (
                ridge.fit_ridge(fit, true, 5, 1024.0).scores(tested)
                if method == "ridge"
                else tested @ prototypes(fit, true, 5).T
            )
            hits = scores.argmax(1).numpy() == labels[500:]
            assert ((found.outcomes[f"place_{shots}shot_{seed}"] == 0) == hits).all()
            values.append(hits.mean())
        assert found.metrics[f"acc1_{shots}shot"].value == pytest.approx(np.mean(values))
        assert found.metrics[f"acc1_{shots}shot"].chance == pytest.approx(0.2)
        assert found.metrics[f"acc1_{shots}shot"].clusters == 100
    prepared = probe.FAMILY.prepare(task(tmp_path, **how), dataset(labels, train))
    assert prepared.train_images == 500 and 20 <= int(prepared.train.sum()) <= 60
    assert found.probe is not None and found.probe.train == int(prepared.train.sum())
    assert found.probe.settings["seeds"] == 3 and "sha256" in found.probe.settings["samples"]


def test_one_sample_and_small_classes_are_said(tmp_path: Path) -> None:
    features, labels = clouds(60, 3, 8)
    found = scored(
        tmp_path, features, dataset(labels, np.arange(60) < 30), method="ridge", shots=[16], seeds=1,
        headline="acc1_16shot",
    )  # fmt: skip
    assert "one training sample" in found.metrics["acc1_16shot"].unreliable
    assert found.warnings == ["3 classes have fewer than 16 training images: all of them are used"]


def test_prototypes_are_unit_means() -> None:
    features, labels = clouds(30, 3, 6)
    found = prototypes(features, torch.as_tensor(labels), 4)
    for label in range(3):
        mean = features[labels == label].mean(0)
        torch.testing.assert_close(found[label], mean / mean.norm())
    assert not found[3].any()


def test_lars_follows_the_source_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same recipe by autograd, torch's own batch normalisation and a plain loop, in blocks of rows or not."""
    features, labels = clouds(70, 3, 5)
    true, schedule = torch.as_tensor(labels), lars.Schedule(epochs=4, warmup=1, batch=32, learning_rate=0.3)
    monkeypatch.setattr(lars, "ROWS", 9)
    found = lars.fit_lars(features, true, 3, schedule)
    generator = torch.Generator().manual_seed(lars.SEED)
    head = torch.nn.Sequential(torch.nn.BatchNorm1d(5, affine=False, eps=1e-6), torch.nn.Linear(5, 3))
    linear = head[1]
    torch.nn.init.trunc_normal_(linear.weight, std=0.01, generator=generator)
    with torch.no_grad():
        linear.bias.uniform_(-(5**-0.5), 5**-0.5, generator=generator)
    moved = [torch.zeros_like(part) for part in linear.parameters()]
    for epoch in range(4):
        order = torch.randperm(70, generator=generator)
        for step in range(2):
            rows, passed = order[32 * step : 32 * (step + 1)], epoch + step / 2
            top = 0.3 * 32 / 256
            rate = top * passed if passed < 1 else top * 0.5 * (1 + math.cos(math.pi * (passed - 1) / 3))
            head.zero_grad()
            torch.nn.functional.cross_entropy(head(features[rows]), true[rows]).backward()
            with torch.no_grad():
                for part, before in zip(linear.parameters(), moved, strict=True):
                    assert part.grad is not None
                    gradient = part.grad * (0.001 * part.norm() / part.grad.norm() if part.ndim > 1 else 1)
                    before.mul_(0.9).add_(gradient)
                    part.sub_(rate * before)
    head.eval()
    with torch.no_grad():
        torch.testing.assert_close(found.scores(features).float(), head(features), atol=1e-5, rtol=1e-5)
    assert found.steps == 8


def test_lars_separates_what_is_separable_and_records_its_recipe(tmp_path: Path) -> None:
    features, labels = clouds(300, 3, 8, spread=0.4)
    how = {"method": "lars", "epochs": 100, "warmup": 2, "batch": 100, "learning_rate": 50.0}
    found = scored(tmp_path, features, dataset(labels, np.arange(300) < 200), **how)
    assert found.metrics["acc1"].value > 0.95
    assert found.probe is not None and found.probe.settings["epochs"] == 100 and found.probe.steps == 200
    assert found.probe.penalty is None and {"ece", "nll", "brier", "ece_classwise"} <= set(found.metrics)


@pytest.mark.parametrize(
    ("params", "line"),
    [
        ({"shots": [1]}, "shots are for method ridge or prototype, not for logistic"),
        ({"method": "knn", "neighbours": [5, 5]}, "neighbours has a number twice"),
        ({"method": "knn", "neighbours": []}, "neighbours"),
        ({"method": "knn", "temperature": 0}, "temperature"),
        ({"method": "lars", "epochs": 5}, "warmup 10 is not below epochs 5"),
        ({"method": "nearest"}, "method"),
    ],
)
def test_settings_that_make_no_sense_are_one_line(tmp_path: Path, params: dict[str, Any], line: str) -> None:
    with pytest.raises(GoldievalError, match=line) as raised:
        task(tmp_path, **params)
    assert "\n" not in str(raised.value)


def test_few_shot_runs_on_drawn_scenes_and_models_are_compared_on_the_same_samples(tmp_path: Path) -> None:
    small = {"source": {"content": "probe", "scenes": 30, "train_scenes": 150, "path": ""}}
    params = {"method": "ridge", "shots": [1, 2], "seeds": 2}
    file = card(tmp_path, "shapes", "probe", headline="acc1_2shot", params=params, **small)
    (record,) = evaluate("goldiclip", str(file), out=None, cache=False)
    assert record.status == "ok" and record.data.seen["train"] == 150
    assert record.probe is not None and record.probe.train < 150 and record.calibration is None
    assert set(record.metrics) == {"acc1_1shot", "acc1_2shot"}
