"""Metrics over the ranks of all positives, against an oracle that writes out every order of the gallery."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from goldieval.metrics.all_positives_metric import AllPositivesMetric
from goldieval.metrics.rank_counter import RankCounter
from goldieval.metrics.ranks import Ranks
from goldieval.metrics.registry import metric_of, names_of
from goldieval.metrics.tie_groups import TieGroups
from goldieval.scoring.cosine import retrieval_ranks, unit
from goldieval.tasks.retrieval_params import RetrievalParams

KINDS = ("map_at_r", "r_precision", "map", "ndcg1", "ndcg2", "ndcg10")


def of_order(relevant: np.ndarray, kind: str, total: int) -> float:
    """Return a metric of one ranked list as textbooks define it: whether each place holds a positive."""
    places = np.flatnonzero(relevant) + 1
    precisions = np.arange(1, len(places) + 1) / places
    if kind == "map":
        return float(precisions.sum() / total)
    if kind == "map_at_r":
        return float(precisions[places <= total].sum() / total)
    if kind == "r_precision":
        return float((places <= total).sum() / total)
    k = int(kind.removeprefix("ndcg"))
    ideal = (1 / np.log2(1 + np.arange(1, min(k, total) + 1))).sum()
    return float((1 / np.log2(1 + places[places <= k])).sum() / ideal)


def expected(scores: np.ndarray, relevant: np.ndarray, kind: str, total: int) -> float:
    """Return the mean over every order of the gallery that sorts the scores."""
    orders = permutations(range(len(scores)))
    sorting = [order for order in orders if all(scores[a] >= scores[b] for a, b in pairwise(order))]
    if kind == "mrr":
        return float(np.mean([1 / (1 + int(np.argmax(relevant[list(order)]))) for order in sorting]))
    return float(np.mean([of_order(relevant[list(order)], kind, total) for order in sorting]))


def values(groups: TieGroups | None, kind: str) -> np.ndarray:
    metric = metric_of(f"t2i_{kind}")
    assert isinstance(metric, AllPositivesMetric) and metric.kind == kind and groups is not None
    return metric.of_groups(groups)


@st.composite
def matrices(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Scores on few levels, so that most tie, and any relevance: several positives, or none, on either side."""
    texts, images = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    cells = texts * images
    scores = draw(st.lists(st.integers(-2, 2), min_size=cells, max_size=cells))
    relevant = draw(st.lists(st.booleans(), min_size=cells, max_size=cells).filter(any))
    return np.reshape(scores, (texts, images)) / 2, np.reshape(relevant, (texts, images))


@given(matrices(), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2))
@settings(max_examples=60, deadline=None)
def test_every_metric_is_its_mean_over_the_orders_of_ties(
    made: tuple[np.ndarray, np.ndarray], rows: int, columns: int, absent: int
) -> None:
    scores, relevant = made
    matrix, pairs = torch.tensor(scores, dtype=torch.float32), torch.tensor(np.argwhere(relevant))
    counter = RankCounter(pairs, matrix[pairs[:, 0], pairs[:, 1]], *matrix.shape, all_positives=True)
    for top in range(0, len(scores), rows):
        for left in range(0, scores.shape[1], columns):
            counter.update(matrix[top : top + rows, left : left + columns].clone(), top, left)
    for ranks, side, wanted in zip(counter.result(), (scores, scores.T), (relevant, relevant.T), strict=True):
        assert ranks.groups is not None
        groups = ranks.groups.with_absent(np.full(len(side), absent))
        asked = np.flatnonzero(wanted.any(1))
        for kind in KINDS:
            found = values(groups.of(asked), kind)
            correct = [expected(side[q], wanted[q], kind, int(wanted[q].sum()) + absent) for q in asked]
            assert found == pytest.approx(correct, abs=1e-12), kind
        mrr = [expected(side[q], wanted[q], "mrr", 0) for q in asked]
        assert ranks.of(asked).reciprocal() == pytest.approx(mrr, abs=1e-12)


def sorted_values(scores: np.ndarray, relevant: np.ndarray, kind: str) -> np.ndarray:
    """Return a metric of each query by sorting, for scores without ties."""
    ordered = np.take_along_axis(relevant, np.argsort(-scores, axis=1), axis=1)
    return np.array([of_order(row, kind, int(row.sum())) for row in ordered if row.any()])


def test_tiles_of_a_real_size_agree_with_sorting() -> None:
    """More queries than a tile has, and 0 to 30 positives each."""
    random = np.random.default_rng(5)
    texts, images = (unit(torch.tensor(random.normal(size=(n, 24)), dtype=torch.float32), "a") for n in (1100, 300))
    relevant = random.random((1100, 300)) < random.random((1100, 1)) * 0.1
    relevant[::7] = False
    ranks = retrieval_ranks(texts, images, torch.tensor(np.argwhere(relevant)), all_positives=True)
    plain = retrieval_ranks(texts, images, torch.tensor(np.argwhere(relevant)))
    scores = (texts.double() @ images.double().T).numpy()
    for side, best, matrix, wanted in zip(ranks, plain, (scores, scores.T), (relevant, relevant.T), strict=True):
        assert side.groups is not None and best.groups is None
        assert np.array_equal(side.low, best.low) and np.array_equal(side.high, best.high)
        for kind in KINDS:
            difference = np.abs(values(side.groups.of(wanted.any(1)), kind) - sorted_values(matrix, wanted, kind))
            assert difference.mean() < 1e-6 and difference.max() < 1e-3, kind  # of scores that differ by less than TIE


def test_guess_is_the_score_of_a_random_order() -> None:
    columns = {
        "sample_id": np.array(["a", "b"]),
        "cluster_id": np.array(["a", "b"]),
        "direction": np.array(["t2i", "t2i"]),
        "rank_low": np.array([1, 2]),
        "rank_high": np.array([1, 2]),
        "tied_positives": np.array([1, 1]),
        "positives": np.array([1, 3]),
        "gallery": np.array([5, 5]),
        "absent": np.array([0, 1]),
    }
    level = np.zeros(5)
    relevant = [np.arange(5) < 1, np.arange(5) < 3]
    for kind in (*KINDS, "mrr"):
        correct = [
            expected(level, each, kind, int(each.sum()) + extra) for each, extra in zip(relevant, (0, 1), strict=True)
        ]
        assert metric_of(f"t2i_{kind}").guess(columns) == pytest.approx(np.mean(correct), abs=1e-12), kind


def test_cards_have_them_only_on_request() -> None:
    plain = names_of("retrieval", RetrievalParams())
    assert not [name for name in plain if any(kind in name for kind in ("map", "mrr", "ndcg", "precision", "macro"))]
    asked = names_of("retrieval", RetrievalParams(metrics=["map_at_r", "ndcg10"], strata=["blue"]))
    assert set(asked) - set(names_of("retrieval", RetrievalParams(strata=["blue"]))) == {
        f"{name}{group}" for name in ("t2i_map_at_r", "t2i_ndcg10") for group in ("", "_blue")
    } | {"i2t_map_at_r", "i2t_ndcg10"}
    with pytest.raises(ValueError, match="no metric 'ndcg'; choose map_at_r"):
        RetrievalParams(metrics=["ndcg"])
    for wrong in ("r1", "map_blue", "mean_rank", "macro_r1"):
        with pytest.raises(ValueError, match="choose map_at_r"):
            RetrievalParams(metrics=[wrong])


def test_labels_and_kinds() -> None:
    labels = {name: metric_of(name).label for name in ("i2t_map_at_r", "t2i_map", "t2i_mrr", "t2i_r_precision_blue")}
    assert labels == {
        "i2t_map_at_r": "I2T mAP@R",
        "t2i_map": "T2I mAP",
        "t2i_mrr": "T2I MRR",
        "t2i_r_precision_blue": "T2I R-Precision blue",
    }
    assert metric_of("i2t_ndcg10_de").label == "I2T nDCG@10 de"
    assert metric_of("t2i_macro_ndcg10").label == "T2I nDCG@10, mean of languages"


def test_reciprocal_rank_of_many_ties_is_finite() -> None:
    """A collapsed model ties everything: 25,000 candidates of which 5 are right."""
    one = np.array([0]), np.array([24_995]), np.array([5]), np.array([5])
    value = Ranks(*one, 25_000).reciprocal()[0]
    places = np.sort(np.random.default_rng(0).random((20_000, 25)).argsort(1)[:, :5] + 1)[:, 0]
    assert 0 < value < 0.01 and float(np.mean(1 / places)) == pytest.approx(
        Ranks(np.array([0]), np.array([20]), np.array([5]), np.array([5]), 25).reciprocal()[0], rel=0.02
    )


def test_mean_of_languages_counts_languages_alike() -> None:
    rng = np.random.default_rng(1)
    language = np.array([0] * 60 + [1] * 20)
    hit = (rng.random(80) < np.where(language == 0, 0.9, 0.2)).astype(int)
    columns = {
        "sample_id": np.arange(80).astype(str),
        "cluster_id": (np.arange(80) % 20).astype(str),
        "direction": np.full(80, "t2i"),
        "rank_low": 2 - hit,
        "rank_high": 2 - hit,
        "stratum:de": language == 0,
        "stratum:zh": language == 1,
    }
    metric = metric_of("t2i_macro_r1")
    mine = metric.values(columns)
    assert mine is not None
    of_file = {name: column for name, column in columns.items() if not name.startswith("stratum:")}
    read = metric.values(of_file | {"strata": np.array([[("de", "zh")[each]] for each in language], dtype=object)})
    assert read is not None and metric.interval(read) == metric.interval(mine)
    mean = (hit[language == 0].mean() + hit[language == 1].mean()) / 2
    interval = metric.interval(mine)
    assert metric.score(mine) == pytest.approx(mean) and interval.value == pytest.approx(mean)
    assert interval.low is not None and interval.low < mean
    moved = metric.influence(mine)
    assert moved.sum() == pytest.approx(0, abs=1e-12) and len(moved) == 20
    worse = metric.values({**columns, "rank_low": np.full(80, 2), "rank_high": np.full(80, 2)})
    assert worse is not None
    found = metric.paired(worse, mine)
    assert found.difference == pytest.approx(mean) and found.p < 0.01
    names = names_of("retrieval", RetrievalParams(k=[1], languages=["de", "zh"], metrics=["ndcg10"]))
    assert {"t2i_macro_r1", "i2t_macro_ndcg10", "i2t_r1_zh", "t2i_ndcg10_de"} <= set(names)
