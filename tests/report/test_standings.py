"""Who leads where: only what a test separates is called a lead, and only models measured here are compared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from comparison_records import classified
from synthetic_records import made, share, write

from goldieval.records.parts import MeasuredMetric
from goldieval.records.schema import Record
from goldieval.report.built_table import build_table
from goldieval.report.grid import Cell, Grid, GridPanel, GridRow, RowGroup
from goldieval.report.score import Score
from goldieval.report.standings import Standings, standings


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def found(*records: Record) -> Standings:
    Path("results").mkdir()
    return standings(build_table("leaderboard", [write(Path("results"), *records)]).grid)


def test_the_leader_its_lead_and_who_cannot_be_told_from_it() -> None:
    (contest,) = found(
        made("coco-karpathy", "best", 0.50), made("coco-karpathy", "near", 0.49), made("coco-karpathy", "far", 0.40)
    ).contests
    assert (contest.leader, contest.second) == ("best", "near")
    assert (contest.inseparable, contest.behind, contest.alone) == (["near"], ["far"], False)
    assert contest.lead.value == pytest.approx(0.01) and not contest.lead.paired
    assert contest.lead.low is not None and contest.lead.high is not None
    assert contest.lead.low < 0 < contest.lead.value < contest.lead.high


def test_the_level_is_divided_by_the_number_of_models_that_the_leader_is_compared_with() -> None:
    two = [made("coco-karpathy", "best", 0.520), made("coco-karpathy", "second", 0.499)]  # z = 2.1
    grid = Grid("t", "t", 1, True, [panel(two)])
    assert standings(grid).contests[0].alone
    crowd = [made("coco-karpathy", f"far {number}", 0.2) for number in range(8)]
    assert standings(Grid("t", "t", 1, True, [panel([*two, *crowd])])).contests[0].inseparable == ["second"]


def panel(records: list[Record]) -> GridPanel:
    scores = [
        Score(record.model.spec, "ours", "coco-karpathy", "t2i_r1", one.value, low=one.low, high=one.high, n=one.n)
        for record in records
        for one in record.metrics.values()
    ]
    rows = [GridRow(score.model, "ours", [Cell(score)]) for score in scores]
    return GridPanel("", ["COCO"], ["t2i_r1"], [RowGroup("", rows)])


def test_published_rows_settings_apart_and_single_models_are_not_compared() -> None:
    result = found(
        made("coco-karpathy", "a", 0.5), made("coco-karpathy", "b", 0.9, limit=100),
        made("cifar10", "a", 0.5), made("cifar10", "b", 0.6),
    )  # fmt: skip
    assert [contest.leader for contest in result.contests] == ["b"] and result.single == 2
    assert [(model.name, model.alone, model.behind) for model in result.models] == [("b", 1, 0), ("a", 0, 1)]


def test_without_intervals_nothing_is_called_a_lead() -> None:
    bare = MeasuredMetric(value=0.9, low=None, high=None, n=2, clusters=2, method="none", unreliable="two images")
    (contest,) = found(made("cifar10", "a", 0.5), made("cifar10", "b", metrics={"acc1": bare})).contests
    assert (contest.leader, contest.untested, contest.alone) == ("b", ["a"], False)
    assert (contest.lead.low, contest.lead.high) == (None, None)


def test_the_lower_rank_leads_and_its_lead_is_positive() -> None:
    scores = {name: Score(name, "ours", "x", "t2i_median_rank", value, "rank", value - 1, value + 1, 500)
              for name, value in (("good", 4.0), ("bad", 9.0))}  # fmt: skip
    rows = [GridRow(name, "ours", [Cell(score)]) for name, score in scores.items()]
    ranks = GridPanel("", ["rank"], ["t2i_median_rank"], [RowGroup("", rows)])
    (contest,) = standings(Grid("t", "t", 1, True, [ranks])).contests
    assert contest.leader == "good" and contest.alone and contest.lead.value == 5.0
    assert contest.lead.low is not None and 0 < contest.lead.low < 5.0


def test_records_of_the_same_samples_are_compared_in_pairs() -> None:
    hits = np.tile([1, 1, 1, 0], 100)
    better = hits.copy()
    better[3:60:4] = 1
    for spec, one in (("a", hits), ("b", better)):
        classified(Path("results"), spec, one)
    (contest,) = standings(build_table("leaderboard", [Path("results")]).grid).contests
    assert contest.leader == "b" and contest.alone and contest.lead.paired
    assert contest.lead.low is not None and contest.lead.low > 0


def test_a_stratum_beside_the_whole_is_shown_but_not_counted(tmp_path: Path) -> None:
    """Or a task would count as often as it has kinds of queries."""
    metrics = ["t2i_r1", "t2i_r1_object", "t2i_r1_background"]
    records = [
        made("shapes-finegrained", name, metrics={metric: share(value, 5000) for metric in metrics})
        for name, value in (("best", 0.5), ("far", 0.3))
    ]
    columns = [{"task": "shapes-finegrained", "metric": metric} for metric in metrics]
    for kept, counted in ((columns, 1), (columns[1:], 2)):
        spec = {"table": "t", "title": "t", "made_here": True, "panels": [{"columns": kept}],
                "groups": [{"title": "ours", "records": ["*"]}]}  # fmt: skip
        (tmp_path / "t.yaml").write_text(json.dumps(spec))
        result = standings(build_table(str(tmp_path / "t.yaml"), [write(tmp_path / "out", *records)]).grid)
        assert (len(result.contests), len(result.counted), result.models[0].alone) == (len(kept), counted, counted)
