"""Averages of scores: their intervals against simulation and brute force, and paired tests at their level."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from goldieval.metrics.averages import MemberScore, average, correlations, paired_average, variance_of
from goldieval.metrics.influence import of_mean
from goldieval.metrics.paired import mcnemar
from goldieval.tasks.averages import Average

ORACLES = Path(__file__).parents[3] / "shared/data/oracles"


def of_hits(name: str, hits: np.ndarray, share: float, data: str, known: bool = True) -> MemberScore:
    error = float(np.sqrt(hits.var() / len(hits)))
    influence = dict(zip(map(str, range(len(hits))), of_mean(hits).tolist(), strict=True)) if known else None
    return MemberScore(name, share, float(hits.mean()), error, 100, data, influence)


@pytest.mark.parametrize("shared", [0.0, 0.6, 1.0])
def test_the_error_of_scores_on_the_same_images_is_that_of_their_mean(shared: float) -> None:
    rng = np.random.default_rng(0)
    one = rng.random(4000) < 0.4
    two = np.where(rng.random(4000) < shared, one, rng.random(4000) < 0.7)
    scores = [of_hits(name, hits.astype(float), 0.5, "same") for name, hits in (("one", one), ("two", two))]
    direct = (one.astype(int) + two).var() / 4 / 4000
    assert variance_of(scores)[0] == pytest.approx(direct, rel=1e-9)


def test_without_outcomes_scores_of_the_same_images_are_taken_as_fully_dependent() -> None:
    hits = np.repeat([1.0, 0.0], 500)
    known = [of_hits("a", hits, 0.5, "same", known=False), of_hits("b", hits[::-1], 0.5, "same", known=False)]
    apart = [of_hits("a", hits, 0.5, "x"), of_hits("b", hits[::-1], 0.5, "y")]
    assert variance_of(known)[0] == pytest.approx(0.25 / 1000)
    assert variance_of(apart)[0] == pytest.approx(0.25 / 2000)
    assert "fully dependent" in variance_of(known)[1] and variance_of(apart)[1] == "members independent"


def test_the_interval_covers_the_true_average() -> None:
    rng, truth, covered = np.random.default_rng(1), (0.2, 0.55, 0.9), 0
    for _ in range(400):
        drawn = [(rng.random(150) < p).astype(float) for p in truth]
        found = average([of_hits(str(n), hits, 1 / 3, str(n)) for n, hits in enumerate(drawn)], 3)
        assert found.low is not None and found.high is not None
        covered += found.low <= fmean(truth) <= found.high
    assert 0.92 <= covered / 400 <= 0.98


def test_a_member_without_interval_leaves_none_and_an_unreliable_one_is_named_where_it_matters() -> None:
    sure, doubtful = (
        MemberScore("a", 0.5, 0.5, 0.01, 100, "x"),
        MemberScore("b", 0.5, 0.5, 0.02, 100, "y", unreliable="few"),
    )
    assert average([sure, MemberScore("c", 0.5, 0.7, None, 100, "y")], 2).unreliable == "c has no interval"
    assert average([sure, MemberScore("c", 0.5, 0.7, None, 100, "y")], 2).low is None
    assert average([sure, doubtful], 2).unreliable == "the intervals of b may not hold"
    assert average([sure, MemberScore("b", 0.5, 0.5, 0.001, 100, "y", unreliable="few")], 2).unreliable == ""


def test_scores_without_variance_have_an_interval_of_some_width() -> None:
    found = average([MemberScore("a", 0.5, 1.0, 0.0, 100, "x"), MemberScore("b", 0.5, 1.0, 0.0, 100, "y")], 2)
    assert found.value == found.high == 1.0 and found.low is not None and found.low < 0.97


def test_correlations_are_a_possible_matrix() -> None:
    rng = np.random.default_rng(2)
    rows = [dict(zip(map(str, rng.choice(50, 30, False)), rng.normal(size=30), strict=True)) for _ in range(4)]
    found = correlations([*rows, {}])
    assert np.linalg.eigvalsh(found).min() > -1e-12 and np.allclose(np.diag(found), 1)


def paired(a: np.ndarray, b: np.ndarray) -> float:
    moved = of_mean(b) - of_mean(a)
    return paired_average((a.mean(), b.mean()), moved, (b - a) / len(a), 0.0, (0, 0), len(a)).p


def test_of_one_member_the_test_agrees_with_mcnemars() -> None:
    rng = np.random.default_rng(3)
    a, b = (rng.random(2000) < 0.5).astype(float), (rng.random(2000) < 0.54).astype(float)
    assert paired(a, b) == pytest.approx(mcnemar(a, b).p, rel=0.35)
    few = np.zeros(2000)
    few[:5] = 1.0  # 5 differing queries are never significant
    assert paired(np.zeros(2000), few) > 0.05 and paired(np.zeros(2000), np.zeros(2000)) == 1.0


def test_equal_models_are_rarely_called_different() -> None:
    rng, rejected = np.random.default_rng(4), 0
    for _ in range(400):
        base = rng.random(300) < 0.6
        a, b = (np.where(rng.random(300) < 0.2, rng.random(300) < 0.6, base).astype(float) for _ in "ab")
        rejected += paired(a, b) <= 0.05
    assert rejected / 400 <= 0.08


def test_scores_without_outcomes_widen_the_test() -> None:
    a, b = np.zeros(1000), (np.arange(1000) < 60).astype(float)
    moved, parts = of_mean(b) - of_mean(a), (b - a) / 1000
    sure = paired_average((0.0, 0.06), moved, parts, 0.0, (60, 0), 1000)
    wide = paired_average((0.0, 0.06), moved, parts, 0.03**2, (60, 0), 1000)
    assert sure.p < 0.001 < wide.p and wide.standard_error == pytest.approx(np.hypot(sure.standard_error, 0.03))
    assert wide.minimum_detectable_difference() > 2 * sure.minimum_detectable_difference()


def mean_of(scores: dict[str, float]) -> float:
    defined = {"name": "m", "label": "m", "members": [{"task": name, "metric": "acc1"} for name in scores]}
    terms = Average.model_validate(defined).terms()
    return average(
        [MemberScore(term.task, term.share, scores[term.task], 0.01, 100, term.task) for term in terms], 38
    ).value


@pytest.mark.skipif(not ORACLES.is_dir(), reason="no ../shared/data with open_clip's results beside the checkout")
def test_open_clips_averages_of_38_follow_from_their_members() -> None:
    with (ORACLES / "open_clip/openclip_results.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        printed = float(row.pop("Average perf. on 38 datasets"))
        about = ("name", "pretrained", "params (M)", "FLOPs (B)")
        scores = {name: float(value) for name, value in row.items() if name not in about}
        assert len(scores) == 38 and mean_of(scores) == pytest.approx(printed, abs=6e-5)
        if (row["name"], row["pretrained"]) == ("ViT-B-16", "openai"):
            assert round(100 * mean_of(scores), 2) == 56.26
    assert len(rows) == 121


@pytest.mark.skipif(not ORACLES.is_dir(), reason="no ../shared/data with MobileCLIP's results beside the checkout")
def test_mobileclips_average_of_38_follows_from_its_members() -> None:
    lines = (ORACLES / "mobileclip/mobileclip2_s0.jsonl").read_text().splitlines()
    results = [json.loads(line) for line in lines]
    of_datacomp = [each for each in results if each["key"].split("/")[0] not in ("comp", "longclip")]
    main = {each["dataset"]: each["metrics"]["main_metric"] for each in of_datacomp}
    scores = {name: value for name, value in main.items() if value is not None}
    assert len(scores) == 38 and round(100 * mean_of(scores), 1) == 59.7
