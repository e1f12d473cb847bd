"""Metrics by name: what every definition says of itself, and that it reads the scores that a run has written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import toy_model

import goldieval
from goldieval.metrics import miou
from goldieval.metrics.metric import Metric
from goldieval.metrics.paired_classes import paired_mean_per_class
from goldieval.metrics.query_values import QueryValues
from goldieval.metrics.registry import kinds, metric_of, names_of
from goldieval.metrics.units import UNITS
from goldieval.records.files import read_outcomes
from goldieval.records.results import read_records
from goldieval.report.numbers import label, value
from goldieval.tasks.card_types import CARD_TYPES
from goldieval.tasks.catalogue import Catalogue
from goldieval.tasks.params import ChoiceParams
from goldieval.tasks.retrieval_params import RetrievalParams

TASKS = ["shapes-retrieval", "shapes-zeroshot", "shapes-composition"]


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "t2i_r10": "T2I R@10",
        "acc1": "top-1",
        "i2t_median_rank": "I2T median rank",
        "mean_per_class_recall": "mean per class",
        "t2i_r1_heldout": "T2I R@1 heldout",
        "accuracy": "accuracy",
        "accuracy_colour": "accuracy colour",
        "accuracy_add_obj": "accuracy add obj",
        "mean_accuracy": "accuracy, mean of groups",
        "group_score": "group score",
        "miou": "mIoU",
        "rmse": "RMSE (m)",
        "delta1": "δ1",
        "average": "average",
    }.items(),
)
def test_labels_are_the_words_of_the_field(name: str, expected: str) -> None:
    assert metric_of(name).label == label(name) == expected


@pytest.mark.parametrize(
    ("name", "shown"), {"acc1": "12.3", "t2i_mean_rank": "0.1", "perception": "0", "rmse": "0.123"}.items()
)
def test_numbers_are_shown_in_the_unit_of_their_metric(name: str, shown: str) -> None:
    assert value(name, 0.1234) == shown and value(name, None) == "–"


def test_a_proportion_is_a_mean_of_independent_hits_of_the_whole_task() -> None:
    shares = ("t2i_r10", "i2t_r1", "acc1", "acc5", "accuracy")
    others = ("miou", "mean_per_class_recall", "accuracy_colour", "t2i_r1_seen", "mean_accuracy", "t2i_mean_rank", "f1")
    assert all(metric_of(name).is_proportion for name in shares)
    assert not any(metric_of(name).is_proportion for name in others)


def test_only_errors_and_ranks_are_better_when_lower() -> None:
    lower = {"rmse", "t2i_mean_rank", "i2t_median_rank"}
    assert all(metric_of(name).lower_is_better == (name in lower) for name in (*lower, "miou", "acc1", "gain"))


def test_the_summary_of_a_run_leaves_out_ranks_strata_and_odd_cuts() -> None:
    shown = {"t2i_r1", "t2i_r5", "acc1", "acc5", "mean_per_class_recall", "accuracy", "mean_accuracy", "miou", "aacc"}
    hidden = {"t2i_r10", "t2i_r1_seen", "i2t_mean_rank", "t2i_median_rank", "accuracy_colour"}
    assert all(metric_of(name).in_summary for name in shown)
    assert not any(metric_of(name).in_summary for name in hidden)
    assert (metric_of("t2i_r1_seen").whole, metric_of("accuracy_add_obj").whole) == ("t2i_r1", "accuracy")


def test_a_card_has_its_metrics_in_the_order_of_records() -> None:
    found = names_of("retrieval", RetrievalParams(k=[1, 5], strata=["seen", "held_out"]))
    assert found == [
        *("t2i_r1", "t2i_r5", "t2i_mean_rank", "t2i_median_rank"),
        *("t2i_r1_seen", "t2i_r5_seen", "t2i_r1_held_out", "t2i_r5_held_out"),
        *("i2t_r1", "i2t_r5", "i2t_mean_rank", "i2t_median_rank"),
    ]
    sets = names_of("choice", ChoiceParams(strata=["a", "b"], sets=True))
    assert sets == [
        *("accuracy", "accuracy_a", "accuracy_b", "mean_accuracy"),
        *("text_score", "text_score_a", "text_score_b", "image_score", "image_score_a", "image_score_b"),
        *("group_score", "group_score_a", "group_score_b"),
    ]
    assert names_of("choice", ChoiceParams(strata=["a"])) == ["accuracy", "accuracy_a"]


def test_every_name_of_every_card_is_of_one_definition_only() -> None:
    names = {name for task in Catalogue().tasks.values() for name in task.card.metrics()}
    for name in names:
        assert [kind for kind in kinds() if re.fullmatch(kind.pattern, name)] == [type(metric_of(name))], name
    assert type(metric_of("no_such_metric")) is Metric


def test_every_definition_says_what_it_is() -> None:
    for kind in kinds():
        assert kind.__doc__ and kind.unit.name in UNITS
        assert set(kind.families) <= set(CARD_TYPES)


@pytest.mark.parametrize(
    ("name", "counts", "chance"),
    [
        ("t2i_r5", {"images": 50, "texts": 100}, 0.1),
        ("i2t_r5", {"images": 100, "texts": 100}, 0.05),
        ("i2t_r1", {"images": 5000, "texts": 25014}, 1 / 5000),
        ("i2t_r2", {"images": 4, "texts": 8}, 1 - (6 * 5) / (8 * 7)),
        ("t2i_r5_seen", {"images": 4, "texts": 100}, 1.0),
        ("acc5", {"images": 9, "classes": 20}, 0.25),
        ("mean_per_class_recall", {"images": 9, "classes": 20}, 0.05),
        ("miou", {"images": 9, "classes": 20}, None),
    ],
)
def test_chance_follows_from_counts_where_it_can(name: str, counts: dict[str, int], chance: float | None) -> None:
    assert metric_of(name).chance(counts) == (chance if chance is None else pytest.approx(chance, rel=1e-12))


@pytest.mark.parametrize(
    ("name", "counts", "why"),
    [
        ("t2i_r5", {"images": 5, "texts": 10}, "t2i_r5 looks among 5 candidates for one of the first 5"),
        ("i2t_r1", {"images": 1, "texts": 10}, "i2t_r1 looks among 10 candidates for one of the first 1"),
        ("t2i_r5", {"images": 6, "texts": 10}, ""),
        ("t2i_mean_rank", {"images": 1, "texts": 10}, ""),
        ("acc1", {"images": 9, "classes": 1}, "the data have one class"),
        ("miou", {"images": 9, "classes": 1}, "the data have one class"),
        ("miou", {"images": 9, "classes": 2}, ""),
        ("acc5", {"images": 9, "classes": 5}, "acc5 of 5 classes"),
        ("worst_group_acc5", {"images": 9, "classes": 3}, "worst_group_acc5 of 3 classes"),
        ("worst_group_acc5", {"images": 9, "classes": 6}, ""),
        ("acc5", {"images": 9, "boxes": 9}, ""),
    ],
)
def test_what_is_certain_is_nothing_to_measure(name: str, counts: dict[str, int], why: str) -> None:
    assert metric_of(name).certainty(counts) == why


def test_reading_names_imports_neither_numpy_nor_torch() -> None:
    code = (
        "import sys; from goldieval.metrics.registry import kinds, metric_of; kinds(); metric_of('t2i_r1').label; "
        "print(sorted({'numpy', 'scipy', 'torch', 'pandas'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_scores_and_intervals_come_back_from_the_outcomes_of_a_run(tmp_path: Path) -> None:
    """To the last bit for scores; intervals of ranks are cut at the size of the gallery, which outcomes do not hold."""
    goldieval.evaluate(toy_model(tmp_path), TASKS, out=tmp_path / "r", device="cpu", limit=60, cache=False)
    held = set()
    for entry in read_records([tmp_path / "r"]).entries:
        columns = read_outcomes(entry.file, entry.record)
        for name, measured in entry.record.metrics.items():
            metric = metric_of(name)
            if (values := metric.values(columns)) is None:
                continue
            held.add(type(metric).__name__)
            found = metric.interval(values)
            assert metric.score(values) == measured.value == found.value, name
            assert (found.n, found.method) == (measured.n, measured.method), name
            assert [found.low, found.high] == pytest.approx([measured.low, measured.high], rel=1e-9), name
            assert len(metric.influence(values)) in (measured.clusters, measured.n), name
    assert held == {"Recall", "MeanRank", "MedianRank", "TopK", "MeanPerClassRecall", "Accuracy", "MeanAccuracy"}


def test_mean_iou_of_the_outcomes_is_that_of_the_areas() -> None:
    areas = np.random.default_rng(0).integers(0, 50, (40, 4, 6))
    areas[:, miou.UNION] += areas[:, miou.INTERSECTION]
    names = ("intersection", "union", "predicted", "labelled")
    columns = {name: np.array([*areas[:, row], None], dtype=object)[:-1] for row, name in enumerate(names)}
    columns |= {"sample_id": np.arange(40), "cluster_id": np.arange(40)}
    metric = metric_of("miou")
    values = metric.values(columns)
    assert values is not None and values.values.shape == (40, 12)
    expected = miou.scores(areas)["miou"]
    assert metric.interval(values) == expected and metric.score(values) == expected.value


@pytest.mark.parametrize(
    "name", ["macc", "aacc", "mean_accuracy", "group_score", "t2i_r1_seen", "accuracy_colour", "f1"]
)
def test_what_outcomes_do_not_hold_has_no_values(name: str) -> None:
    columns = {"sample_id": np.array(["a"]), "rank_low": np.array([1]), "rank_high": np.array([1])}
    assert metric_of(name).values(columns) is None


def test_mean_per_class_alone_is_the_score_that_two_models_are_compared_by() -> None:
    labels = np.repeat([0, 1, 2], [2, 30, 7])
    hits = (np.arange(39) % 3 == 0) * 1.0
    found = metric_of("mean_per_class_recall").score(QueryValues(labels, hits, labels, labels))
    assert found == paired_mean_per_class(hits, hits, labels, resamples=10).a
