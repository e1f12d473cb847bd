"""An interval that may not hold is marked in the record and on the screen; where none holds, none is given or drawn."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from comparison_records import segmented
from helpers import goldieval as run
from synthetic_records import made, share
from synthetic_records import write as write_records

import goldieval
from goldieval.core.display import Console
from goldieval.families.aggregates import measured
from goldieval.metrics import miou
from goldieval.metrics.clustered_intervals import clustered_mean_of_groups, clustered_means
from goldieval.metrics.intervals import mean_per_class
from goldieval.metrics.paired import mcnemar, paired_means
from goldieval.metrics.paired_classes import paired_mean_per_class
from goldieval.metrics.paired_result import Paired
from goldieval.metrics.registry import metric_of
from goldieval.records.parts import MeasuredMetric
from goldieval.records.schema import Record
from goldieval.report.score import of_record
from goldieval.report.scores import scores

NONE = MeasuredMetric(
    value=0.4, low=None, high=None, n=30, clusters=30, method="none",
    unreliable="20 of 59 classes are in fewer than 5 images",
)  # fmt: skip
DOUBTFUL = share(0.5, 5).model_copy(update={"unreliable": "fewer than 10 independent outcomes"})


def rare_areas(images: int, classes: int = 59, seed: int = 0) -> np.ndarray:
    """Return areas of pictures that show three classes each."""
    generator = np.random.default_rng(seed)
    labelled = np.zeros((images, classes), dtype=np.int64)
    np.put_along_axis(labelled, generator.integers(0, classes, (images, 3)), 100, axis=1)
    inside = labelled // 2 + generator.integers(0, 40, labelled.shape) * (labelled > 0)
    return np.stack([inside, labelled, inside, labelled], axis=1)


def printed(*records: Record, width: int = 200) -> str:
    console = Console(width=width, record=True)
    console.parts(scores(list(records), console))
    return console.export_text()


@pytest.mark.parametrize("width", [200, 60])
def test_the_screen_says_that_there_is_no_interval_and_why(width: int) -> None:
    shown = printed(made("pc59", metrics={"miou": NONE}), width=width)
    assert "none" in shown and "no interval: 20 of 59 classes" in " ".join(shown.split())


def test_the_screen_marks_an_unreliable_interval_and_says_why() -> None:
    shown = printed(made("cifar10", metrics={"acc1": DOUBTFUL}))
    assert " unreliable" in shown and "top-1: interval unreliable: fewer than 10" in shown
    assert "unreliable" not in printed(made("cifar10"))


def test_a_record_keeps_the_mark_and_older_records_are_read(tmp_path: Path) -> None:
    place = write_records(tmp_path, made("pc59", metrics={"miou": NONE, "macc": DOUBTFUL}))
    (record,) = goldieval.load_results(place)
    assert record.metrics == {"miou": NONE, "macc": DOUBTFUL}
    assert MeasuredMetric.model_validate(
        {key: value for key, value in NONE.model_dump().items() if key != "unreliable"}
    )
    frame = goldieval.load_results(place).frame()
    assert frame["unreliable"].tolist() == [NONE.unreliable, DOUBTFUL.unreliable]
    assert json.loads(record.model_dump_json())["metrics"]["miou"]["low"] is None


def test_tables_and_pages_do_without_an_interval(tmp_path: Path) -> None:
    records = write_records(tmp_path / "r", made("pc59", metrics={"miou": NONE}), made("cifar10"))
    assert of_record(made("pc59", metrics={"miou": NONE}), "miou").error is None  # type: ignore[union-attr]
    shown = run("show", str(records))
    assert shown.code == 0 and "no interval" in shown.out


def test_few_images_of_many_classes_get_no_interval_of_miou_and_enough_get_one() -> None:
    few, more, enough = (miou.scores(rare_areas(images))["miou"] for images in (30, 130, 600))
    assert (few.low, few.high, few.minimum_detectable_difference) == (
        None,
        None,
        None,
    ) and "59 classes" in few.unreliable
    assert more.low is not None and "59 classes" in more.unreliable
    assert enough.low is not None and enough.low < enough.value < (enough.high or 0) and not enough.unreliable
    assert miou.scores(rare_areas(30))["aacc"].low is not None
    assert miou.scores(rare_areas(1))["aacc"].low is None


def test_a_comparison_of_miou_has_its_test_and_no_interval_where_none_holds(tmp_path: Path) -> None:
    a, b = rare_areas(30), rare_areas(30)
    b[:, miou.INTERSECTION] = b[:, miou.INTERSECTION] * 3 // 4
    files = [
        segmented(tmp_path, name, each[:, miou.INTERSECTION], each[:, miou.UNION], labelled=each[:, miou.LABELLED])
        for name, each in (("one", a), ("two", b))
    ]
    (row,) = goldieval.compare(*files).rows
    assert (row.low, row.high) == (None, None) and row.verdict == "worse"
    page = tmp_path / "page.html"
    shown = run("compare", str(files[0]), str(files[1]), "--html", str(page))
    assert shown.code == 0 and " none " in shown.out and "None" not in page.read_text()
    assert "mIoU: no interval:" in shown.out and row.unreliable in shown.out and row.unreliable in page.read_text()


@pytest.mark.parametrize(
    ("compare", "reason"),
    [
        (lambda a, b: mcnemar(a[:8], b[:8]), "fewer than 10 independent units"),
        (lambda a, b: paired_means(a, b, np.arange(100) // 20), "fewer than 10 independent units"),
        (lambda a, b: paired_mean_per_class(a, b, np.arange(100)), "fewer than 30 samples beyond the first"),
        (lambda a, b: mcnemar(a, b), ""),
        (lambda a, b: paired_means(a, b, np.arange(100) // 5), ""),
        (lambda a, b: paired_mean_per_class(a, b, np.arange(100) % 5), ""),
    ],
)
def test_a_difference_says_where_its_interval_may_not_hold(compare: Callable[..., Paired], reason: str) -> None:
    a, b = (np.random.default_rng(seed).integers(0, 2, 100).astype(float) for seed in (1, 2))
    found = compare(a, b)
    assert found.unreliable.startswith(reason) and bool(found.unreliable) == bool(reason)


@pytest.mark.parametrize(
    ("sizes", "marked"),
    [([1] * 20, True), ([5] * 3, True), ([1] * 50 + [2] * 50, False), ([2] * 20 + [10] * 20, False)],
)
def test_means_over_classes_that_say_too_little_are_marked(sizes: list[int], marked: bool) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    found = mean_per_class(np.arange(len(labels)) % 2, labels)
    assert bool(found.unreliable) == marked and found.low is not None and found.low < found.value < (found.high or 0)


@pytest.mark.parametrize("hit", [0.0, 1.0])
@pytest.mark.parametrize("sizes", [[1], [1, 1], [1] * 50 + [2] * 50, [500, 1], [40, 40]])
def test_all_or_nothing_never_has_width_0_however_small_the_classes(hit: float, sizes: list[int]) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    hits = np.full(len(labels), hit)
    found = [mean_per_class(hits, labels), clustered_mean_of_groups(hits, labels, np.arange(len(hits)))]
    found += clustered_means(hits[:, None], np.arange(len(hits)), [(0.0, 1.0)])
    for each in found:
        assert each.low is not None and each.high is not None and each.high - each.low > 1e-3
        assert 0 <= each.low <= each.value <= each.high <= 1


def test_scores_of_few_images_and_skewed_ranks_are_marked() -> None:
    (few,) = clustered_means(np.array([[1.0], [0.0], [1.0]]), np.arange(3), [(0.0, 1.0)])
    ranks = np.ones((60, 1))
    ranks[0] = 900
    (skewed,) = clustered_means(ranks, np.arange(60), [(1.0, 1000.0)])
    assert measured(metric_of("t2i_mean_rank"), few, None, None).unreliable and "skewed" in skewed.unreliable
