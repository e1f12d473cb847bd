"""Choices with several true candidates against brute force, and paired means over groups."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from goldieval.metrics.choices import chance_of, ranked_choices, text_only_hits
from goldieval.metrics.clustered_intervals import clustered_mean_of_groups
from goldieval.metrics.paired import paired_means
from goldieval.metrics.paired_groups import paired_mean_of_groups
from goldieval.metrics.query_values import sets_of, strata_of
from goldieval.metrics.registry import metric_of


def by_orders(scores: list[float], trues: int) -> float:
    """The share of random orders of equal scores in which every true candidate comes before every false one."""
    count, right = 0, 0
    for order in itertools.permutations(range(len(scores))):
        ranking = sorted(order, key=lambda candidate: -scores[candidate])
        count += 1
        right += max(ranking.index(true) for true in range(trues)) < trues
    return right / count


@pytest.mark.parametrize("trues", [1, 2, 3])
def test_probability_of_being_right_is_that_of_all_orders(trues: int) -> None:
    for scores in itertools.product([0.0, 1.0, 2.0], repeat=5):
        found = ranked_choices(torch.tensor([scores]), trues)
        right = found.ranks.hits(1) if found.right is None else found.right
        assert right[0] == pytest.approx(by_orders(list(scores), trues)), scores


def test_chance_is_the_mean_over_random_orders() -> None:
    scores = torch.tensor(list(itertools.permutations(range(5)))).float()
    for trues in (1, 2, 4):
        found = ranked_choices(scores, trues)
        right = found.ranks.hits(1) if found.right is None else found.right
        assert right.mean() == pytest.approx(chance_of(5, trues))


def test_text_only_needs_both_comparisons() -> None:
    for among, first, second in itertools.product([0.0, 1.0, 2.0], repeat=3):
        (found,) = text_only_hits(torch.tensor([[among, first, second]]), 2)
        expected = 0.0 if among < max(first, second) else 1 / (1 + [first, second].count(among))
        assert found == pytest.approx(expected)


def grouped(seed: int) -> tuple[np.ndarray, ...]:
    generator = np.random.default_rng(seed)
    groups = np.repeat([0, 1, 2], [400, 60, 40])
    a, b = ((generator.random(500) < 0.6).astype(float) for _ in range(2))
    return a, b, groups, generator.integers(0, 200, 500)


def test_paired_mean_of_groups_has_the_scores_of_the_interval() -> None:
    a, b, groups, clusters = grouped(1)
    found = paired_mean_of_groups(a, b, groups, clusters)
    for side, score in ((a, found.a), (b, found.b)):
        assert score == pytest.approx(np.mean([side[groups == group].mean() for group in range(3)]))
        assert score == pytest.approx(clustered_mean_of_groups(side, groups, clusters).value)
    assert found.low < found.b - found.a < found.high  # type: ignore[operator]


def test_with_one_group_it_is_the_mean() -> None:
    a, b, _, clusters = grouped(2)
    one, other = paired_mean_of_groups(a, b, np.zeros(500), clusters), paired_means(a, b, clusters)
    assert (one.a, one.b, one.low, one.high) == pytest.approx((other.a, other.b, other.low, other.high))
    assert one.p == pytest.approx(other.p, abs=0.03) and one.standard_error == pytest.approx(other.standard_error)


def test_equal_models_are_rarely_told_apart() -> None:
    wrong = [paired_mean_of_groups(*grouped(seed), resamples=400).p <= 0.05 for seed in range(60)]
    assert sum(wrong) <= 8


def columns_of_sets() -> dict[str, np.ndarray]:
    """Two examples as a record's file holds them: the first is right on both sides, the second for its texts alone."""
    return {
        "sample_id": np.array([f"{example}-{side}" for example in ("7", "8") for side in (0, 1, 0, 1)], dtype=object),
        "cluster_id": np.array(list("abcdefgh"), dtype=object),
        "direction": np.array(["i2t", "i2t", "t2i", "t2i"] * 2, dtype=object),
        "rank_low": np.array([1, 1, 1, 1, 1, 1, 2, 1]),
        "rank_high": np.array([1, 1, 1, 1, 1, 1, 2, 1]),
        "strata": np.array([["swap"]] * 4 + [["add"]] * 4 + [None], dtype=object)[:8],
    }


def test_sets_and_strata_come_back_from_a_records_file() -> None:
    columns = columns_of_sets()
    sets = sets_of(columns)
    assert sets is not None and sets.tolist() == ["7"] * 4 + ["8"] * 4 and strata_of(columns) == ["swap", "add"]
    found = {name: metric_of(name).values(columns) for name in ("text_score", "group_score", "group_score_add")}
    assert {name: value.values.tolist() for name, value in found.items() if value is not None} == {
        "text_score": [1.0, 1.0],
        "group_score": [1.0, 0.0],
        "group_score_add": [0.0],
    }
    mean = metric_of("mean_accuracy")
    values = mean.values(columns)
    assert values is not None and mean.score(values) == (1.0 + 0.75) / 2
    columns["sample_id"][0] = "9-0"
    assert sets_of(columns) is None
