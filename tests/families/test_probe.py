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
from goldieval.core.errors import TaskError
from goldieval.data.image_source import NoImage
from goldieval.data.samples import Dataset, ImageSample
from goldieval.data.subset import keep_images
from goldieval.families import probe, probe_logistic
from goldieval.families.base import Scored
from goldieval.scoring import logistic
from goldieval.scoring.logistic import RESOLUTION, TOLERANCE, fit
from goldieval.tasks.card import load_card
from goldieval.tasks.card_types import ProbeCard


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
    scaled = StandardScaler().fit_transform(features.double().numpy())
    theirs = LogisticRegression(C=1 / (penalty * len(labels)), tol=1e-9, max_iter=5000).fit(scaled, labels)
    found = torch.softmax(ours.scores(features), dim=1).numpy()
    np.testing.assert_allclose(found, theirs.predict_proba(scaled), atol=1e-5)
    assert ours.converged and found.dtype == np.float64


@pytest.mark.parametrize("penalty", [1.0, 1e-3, 1e-6])
def test_gradient_vanishes_where_the_solver_says_so(penalty: float) -> None:
    """By autograd, which knows nothing of the folded standardisation; blocks of rows add up to the same."""
    features, labels = clouds(200, 5, 7, spread=3.0)
    true = torch.as_tensor(labels)
    found = fit(features, true, 5, penalty, 5000)
    weight, bias = found.weight.clone().requires_grad_(), found.bias.clone().requires_grad_()
    scores = ((features.double() - found.shift) * found.scale) @ weight.T + bias
    loss = torch.nn.functional.cross_entropy(scores, true) + penalty / 2 * weight.square().sum()
    gradients = torch.autograd.grad(loss, [weight, bias])
    assert found.converged and max(float(part.abs().max()) for part in gradients) < max(
        2 * TOLERANCE * penalty, RESOLUTION
    )


def test_blocks_of_rows_give_the_same_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = clouds(200, 3, 5, spread=2.0)
    whole = fit(features, torch.as_tensor(labels), 3, 0.01, 500)
    monkeypatch.setattr(logistic, "ROWS", 64)
    torch.testing.assert_close(fit(features, torch.as_tensor(labels), 3, 0.01, 500).scores(features[:50]),
                               whole.scores(features[:50]), atol=1e-4, rtol=0)  # fmt: skip


def test_start_changes_the_steps_and_not_the_optimum() -> None:
    features, labels = clouds(200, 3, 5, spread=2.0)
    cold = fit(features, torch.as_tensor(labels), 3, 0.01, 500)
    warm = fit(features, torch.as_tensor(labels), 3, 0.01, 500, cold)
    other = fit(features, torch.as_tensor(labels), 3, 0.01, 500, fit(features, torch.as_tensor(labels), 3, 1e-5, 500))
    assert warm.steps < cold.steps
    torch.testing.assert_close(other.scores(features), cold.scores(features), atol=1e-4, rtol=0)


def test_a_feature_that_is_rounding_only_is_not_learned_from() -> None:
    """Standardised to unit deviation, the last bits of a constant feature would count as much as any other."""
    features, labels = clouds(120, 3, 5, spread=2.0)
    rounding = 1e-7 * torch.randn(120, 1, generator=torch.Generator().manual_seed(0))
    with_constant = torch.cat([features, 0.5 + rounding], dim=1)
    found = fit(with_constant, torch.as_tensor(labels), 3, 1e-3, 2000).scores(with_constant)
    bare = fit(features, torch.as_tensor(labels), 3, 1e-3, 2000).scores(features)
    torch.testing.assert_close(found, bare, atol=1e-2, rtol=0)


def test_threads_do_not_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above ``SMALL``, threads compute a block of rows each."""
    features, labels = clouds(300, 4, 60, spread=2.0)
    monkeypatch.setattr(logistic, "SMALL", 0)
    monkeypatch.setattr(logistic, "THREAD_ROWS", 64)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(fit(features, torch.as_tensor(labels), 4, 0.01, 500))
    finally:
        torch.set_num_threads(before)
    assert found[0].converged
    for other in found[1:]:
        assert torch.equal(found[0].weight, other.weight) and torch.equal(found[0].bias, other.bias)
        assert torch.equal(found[0].scores(features), other.scores(features))


def dataset(labels: np.ndarray, train: np.ndarray) -> Dataset:
    images = [ImageSample(f"i{row}", NoImage()) for row in range(len(labels))]
    return Dataset(images, labels=labels, class_names=[f"c{n}" for n in range(labels.max() + 1)], train=train)


def task(tmp_path: Path, **params: Any) -> Any:
    content = {"params": params, "headline": "acc1", "source": {"content": "probe", "scenes": 10, "path": ""}}
    return load_card(card(tmp_path, "shapes", "probe", **content))


def scored(tmp_path: Path, features: torch.Tensor, data: Dataset, **params: Any) -> Scored:
    return probe.FAMILY.score(probe.FAMILY.prepare(task(tmp_path, **params), data), features)


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


def on_the_fence(data: Dataset) -> torch.Tensor:
    """Return features of two classes that mirror each other, half of the held-out images being at the mirror itself.

    Whatever the penalty, those are halfway between the classes: the number of right ones is a matter of last bits.
    """
    assert data.labels is not None and data.train is not None
    drawn = torch.randn(len(data.images) // 2, 6, generator=torch.Generator().manual_seed(0)) + 0.4
    features = torch.stack([drawn, -drawn], dim=1).flatten(0, 1)  # image 2 n is of class 0, 2 n + 1 its mirror image
    fitted = np.flatnonzero(data.train)
    held = fitted[probe_logistic.held_out([data.images[row].id for row in fitted], data.labels[fitted], 0.1)]
    features[np.union1d(held, held ^ 1)] = 0.0
    features[held[::2]] = torch.where(torch.as_tensor(data.labels[held[::2]])[:, None] == 0, 0.3, -0.3)
    return features


def test_last_bits_of_the_embeddings_and_threads_do_not_choose(tmp_path: Path) -> None:
    """Another processor moves embeddings by about 1e-6: held-out images that sit on the fence turn no choice."""
    data = dataset(np.arange(300) % 2, np.arange(300) < 200)
    features, prepared = on_the_fence(data), probe.FAMILY.prepare(task(tmp_path, penalties=[1, 0.1, 0.01, 1e-3]), data)
    plain, before = probe.FAMILY.score(prepared, features), torch.get_num_threads()
    assert plain.probe is not None and plain.probe.converged
    try:
        for trial in range(100):
            torch.set_num_threads(2 if trial % 10 == 0 else 1)
            noise = torch.randn(features.shape, generator=torch.Generator().manual_seed(trial))
            moved = probe.FAMILY.score(prepared, features + 1e-6 * noise)
            assert moved.probe is not None and moved.probe.penalty == plain.probe.penalty
            assert abs(moved.metrics["acc1"].value - plain.metrics["acc1"].value) * 100 < 1.5
    finally:
        torch.set_num_threads(before)


def test_recipe_is_recorded_and_the_strongest_penalty_of_low_held_out_loss_is_taken(tmp_path: Path) -> None:
    features, labels = clouds(300, 3, 20, spread=3.0)
    found = scored(tmp_path, features, dataset(labels, np.arange(300) < 200), penalties=[1e-6, 10, 0.1]).probe
    assert found is not None and found.penalties == [10, 0.1, 1e-6] and found.train == 200
    assert found.heldout == sum(max(1, int(0.1 * int((labels[:200] == c).sum()))) for c in range(3))
    assert found.penalty == found.penalties[int(np.argmin(found.heldout_loss))] and found.converged
    assert "L-BFGS" in found.solver and found.steps > 0 and len(found.heldout_accuracy) == 3


def test_equal_losses_take_the_stronger_penalty_and_worse_ones_end_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, labels = clouds(60, 2, 3)
    losses = iter([0.9, 0.7, 0.5004, 0.5, 0.6, 0.61])
    monkeypatch.setattr(probe_logistic.F, "cross_entropy", lambda *_: next(losses))
    penalties = [1, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6]
    found = scored(tmp_path, features, dataset(labels, np.arange(60) < 40), penalties=penalties).probe
    assert found is not None and found.penalty == 0.01
    assert found.penalties == penalties[:6] and found.heldout_loss == [0.9, 0.7, 0.5004, 0.5, 0.6, 0.61]


@pytest.mark.parametrize(("spread", "way"), [(0.1, "weaker"), (1000.0, "stronger")])
def test_a_penalty_at_the_end_of_the_list_is_told(tmp_path: Path, spread: float, way: str) -> None:
    features, labels = clouds(260, 2, 100, spread=spread)
    told = scored(tmp_path, features, dataset(labels, np.arange(260) < 240), penalties=[1, 0.01]).warnings
    assert any("at the end of those tried" in line and f"try {way} ones" in line for line in told)


def test_a_solver_that_ran_out_of_steps_is_told(tmp_path: Path) -> None:
    features, labels = clouds(60, 3, 8, spread=2.0)
    data = dataset(labels, np.arange(60) < 40)
    short = scored(tmp_path, features, data, steps=2, penalties=[0.1, 0.01])
    assert any("did not reach its optimum at penalty 0.1, 0.01" in line for line in short.warnings)
    assert short.probe is not None and short.probe.converged is False
    assert not any("optimum" in line for line in scored(tmp_path, features, data, penalties=[1], steps=500).warnings)


def test_users_cards_get_another_identity_with_another_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A card says what to measure, the code how: records of the recipe before share no column with today's."""
    today = task(tmp_path).hash
    monkeypatch.setattr(ProbeCard, "recipe", ProbeCard.recipe - 1)
    assert task(tmp_path).hash != today


def test_held_out_part_is_a_tenth_of_each_class_whatever_the_order() -> None:
    ids, labels = [f"i{row}" for row in range(60)], np.arange(60) % 3
    rows = probe_logistic.held_out(ids, labels, 0.1)
    assert np.bincount(labels[rows]).tolist() == [2, 2, 2]
    back = probe_logistic.held_out(ids[::-1], labels[::-1], 0.1)
    assert {ids[row] for row in rows} == {ids[::-1][row] for row in back}
    with pytest.raises(TaskError, match="a class with two training images"):
        probe_logistic.held_out(["a", "b"], np.array([0, 1]), 0.1)


def test_refusals_are_one_line(tmp_path: Path) -> None:
    labels, train = np.array([0, 1, 0, 1]), np.array([True, True, False, False])
    asked = task(tmp_path)
    with pytest.raises(TaskError, match="needs labels"):
        probe.FAMILY.prepare(asked, Dataset([ImageSample("a", NoImage())]))
    with pytest.raises(TaskError, match="name `train`"):
        probe.FAMILY.prepare(asked, Dataset([ImageSample("a", NoImage())], labels=np.array([0])))
    with pytest.raises(TaskError, match="all of these are training images"):
        probe.FAMILY.prepare(asked, dataset(labels, np.ones(4, dtype=bool)))
    with pytest.raises(TaskError, match="1 classes have test images but no training images: c1"):
        probe.FAMILY.prepare(asked, keep_images(dataset(labels, train), np.array([True, False, True, True])))


def test_drawn_probe_learns_on_train_scenes_and_is_tested_on_others(tmp_path: Path) -> None:
    source = {"content": "probe", "scenes": 24, "train_scenes": 168, "path": ""}
    file = card(tmp_path, "shapes", "probe", source=source, headline="acc1")
    (record,) = evaluate("goldiclip", str(file), out=None, cache=False)
    assert record.status == "ok" and record.probe is not None
    assert record.data.seen["train"] == 168 == record.probe.train and record.data.seen["images"] <= 24
    assert record.task.scoring == "features" and record.truncation is None
