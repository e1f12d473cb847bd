"""Averages as records: from whole results of one setting only, with an interval; refused with what is missing."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from average_cases import average, cards, member, record
from synthetic_records import made, share

import goldieval
from goldieval.records.averages import averages_of
from goldieval.records.results import Entry, read_folder
from goldieval.records.schema import Record
from goldieval.tasks.catalogue import Catalogue

CATALOGUE = Catalogue()
OPEN_CLIP = Path(__file__).parents[3] / "shared/data/oracles/open_clip/openclip_results.csv"


def found(out: Path, folder: Path, likely: bool = False) -> list[Record]:
    catalogue = Catalogue(folder)
    entries = averages_of(read_folder(out).entries, catalogue.averages.values(), catalogue.tasks, likely)
    return [entry.record for entry in entries]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return cards(tmp_path / "cards")


def whole(out: Path, folder: Path, **more: Any) -> Path:
    for task, rights in (("one", 50), ("two", 60), ("three", 90)):
        record(out, folder, task, rights, **more)
    return out


def test_an_average_is_the_mean_of_its_members_with_the_error_of_independent_ones(tmp_path: Path, folder: Path) -> None:
    (mean,) = found(whole(tmp_path / "out", folder), folder)
    measured = mean.headline
    assert mean.status == "ok" and mean.is_average and measured is not None
    assert measured.value == pytest.approx(2 / 3) and measured.n == 3
    members = [entry.record.headline for entry in read_folder(tmp_path / "out").entries]
    errors = [(one.high - one.low) / (2 * 1.959964) for one in members]
    half = 1.959964 * np.sqrt(np.sum(np.square(errors))) / 3
    assert measured.high - measured.low == pytest.approx(2 * half, rel=0.02)
    assert measured.method == "members independent" and measured.separable == pytest.approx(
        2.80 * 2**0.5 * half / 1.96, rel=0.02
    )


def test_chance_is_the_mean_where_every_member_has_one(tmp_path: Path, folder: Path) -> None:
    (mean,) = found(whole(tmp_path / "out", folder), folder)
    assert mean.headline is not None and mean.headline.chance is None  # these records state none


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "failed"}, "failed: two"),
        ({"status": "partial"}, "partial: two"),
        ({"limit": 50}, "a subset only: two"),
        ({"subset": "present"}, "a subset only: two"),
        ({"overrides": {"prompts": ["a {c}"]}}, "another protocol (--set): two"),
        ({"card_sha256": "0" * 64}, "another version of the card: two"),
        ({"precision": "bf16"}, "not in fp32: two"),
        ({"scoring": "conditioned"}, "not in global scoring: two"),
    ],
)
def test_an_average_is_refused_if_a_member_is_not_whole_or_of_another_setting(
    tmp_path: Path, folder: Path, change: dict[str, Any], reason: str
) -> None:
    out = tmp_path / "out"
    record(out, folder, "one", 50)
    record(out, folder, "two", 50, **change)
    record(out, folder, "three", 50)
    (mean,) = found(out, folder)
    assert mean.status == "failed" and mean.outcome == "refused" and mean.metrics == {}
    assert mean.reason == f"2 of 3 tasks have a whole result; {reason}"


def test_an_average_is_refused_if_a_member_is_missing_or_lacks_the_metric(tmp_path: Path) -> None:
    members = [member("one"), member("two", ["acc1", "acc5"]), member("three")]
    folder = cards(tmp_path / "cards", average(members=members))
    record(tmp_path / "out", folder, "one", 50)
    record(tmp_path / "out", folder, "two", 50)
    (mean,) = found(tmp_path / "out", folder)
    assert mean.reason == "1 of 3 tasks have a whole result; without acc5: two; missing: three"


def test_a_line_about_an_unlikely_average_can_be_left_out(tmp_path: Path, folder: Path) -> None:
    record(tmp_path / "out", folder, "one", 50)
    assert found(tmp_path / "out", folder, likely=True) == [] and len(found(tmp_path / "out", folder)) == 1
    record(tmp_path / "out", folder, "two", 50)
    assert len(found(tmp_path / "out", folder, likely=True)) == 1


def test_each_setting_has_its_own_average_of_the_newest_results(tmp_path: Path, folder: Path) -> None:
    out = whole(tmp_path / "out", folder, started="2026-01-01")
    assert len(found(out, folder)) == 1
    whole(tmp_path / "other", folder, scoring="conditioned", started="2026-01-01")
    both = Catalogue(folder)
    entries = [*read_folder(out).entries, *read_folder(tmp_path / "other").entries]
    means = [each.record for each in averages_of(entries, both.averages.values(), both.tasks)]
    assert sorted(mean.task.scoring for mean in means) == ["conditioned", "global"]
    assert len({mean.key for mean in means}) == len({mean.setting for mean in means}) == 2
    record(tmp_path / "newer", folder, "one", 80, started="2026-02-01")
    entries = [*read_folder(out).entries, *read_folder(tmp_path / "newer").entries]
    (mean,) = averages_of(entries, both.averages.values(), both.tasks)
    assert mean.record.metrics["average"].value == pytest.approx((0.8 + 0.6 + 0.9) / 3)


def test_models_are_not_mixed(tmp_path: Path, folder: Path) -> None:
    out = tmp_path / "out"
    for task, spec in (("one", "toy:a"), ("two", "toy:b"), ("three", "toy:a")):
        record(out, folder, task, 50, spec=spec)
    assert [mean.status for mean in found(out, folder)] == ["failed"] * 2


def test_the_same_images_are_taken_together(tmp_path: Path) -> None:
    folder = cards(tmp_path / "cards", average(members=[member("one"), member("two")]))
    rights = (np.arange(400) < 200) * 1.0
    widths = {}
    for name, source, hits in (
        ("independent", "", rights),
        ("same", "images", rights),
        ("opposite", "images", (np.arange(400) >= 150) * 1.0),
    ):
        record(tmp_path / name, folder, "one", 0, hits=rights, source=source or "one")
        record(tmp_path / name, folder, "two", 0, hits=hits, source=source or "two")
        (mean,) = found(tmp_path / name, folder)
        assert mean.headline is not None and mean.headline.low is not None and mean.headline.high is not None
        assert ("joint by image" in mean.headline.method) == bool(source)
        widths[name] = mean.headline.high - mean.headline.low
    assert widths["same"] == pytest.approx(2**0.5 * widths["independent"], rel=0.02)
    assert widths["opposite"] < 0.6 * widths["independent"]


def test_notebooks_have_averages_as_rows_and_below_the_table(tmp_path: Path, folder: Path) -> None:
    results = goldieval.load_results(whole(tmp_path / "out", folder), tasks_dir=folder)
    assert len(results) == 3 and [each.task.name for each in results.averages] == ["mean"]
    last = results.frame().iloc[-1]
    assert (last.task, last.metric, last.n) == ("mean", "average", 3) and last.value == pytest.approx(2 / 3)
    assert "mean   average   66.7" in repr(results) and "average" in results._repr_html_()
    assert goldieval.load_results(tmp_path / "out").averages == []


def test_a_refused_average_is_a_remark_and_no_row(tmp_path: Path, folder: Path) -> None:
    record(tmp_path / "out", folder, "one", 50)
    record(tmp_path / "out", folder, "three", 50)
    results = goldieval.load_results(tmp_path / "out", tasks_dir=folder)
    assert "mean refused: 2 of 3 tasks have a whole result; missing: two" in " ".join(repr(results).split())
    assert "average" not in set(results.frame().metric)


def results_of_38(scores: dict[str, float], leave_out: str = "", **changes: Any) -> list[Entry]:
    """Return a record of every task of DataComp's average, with these scores in place of all metrics of each."""
    average_of = CATALOGUE.averages["datacomp-38"]
    entries = []
    for each in average_of.members:
        metrics = {metric: share(scores[each.task], 1000) for metric in each.metric}
        more = changes if each.task == "geode" else {}
        one = made(each.task, card_sha256=CATALOGUE.tasks[each.task].hash, metrics=metrics, **more)
        data = one.data.model_copy(update={"source": each.task})
        entries += [Entry(Path(each.task), one.model_copy(update={"data": data}))] if each.task != leave_out else []
    return entries


def datacomp(entries: list[Entry]) -> Record:
    (found,) = averages_of(entries, [CATALOGUE.averages["datacomp-38"]], CATALOGUE.tasks)
    return found.record


@pytest.mark.skipif(not OPEN_CLIP.is_file(), reason="no ../shared/data with open_clip's results beside the checkout")
def test_datacomps_average_of_a_published_model_comes_out_of_records_of_our_38_tasks() -> None:
    with OPEN_CLIP.open(newline="") as stream:
        (row,) = (row for row in csv.DictReader(stream) if (row["name"], row["pretrained"]) == ("ViT-B-16", "openai"))
    values = [float(value) for value in list(row.values())[5:]]
    names = ["imagenet", *(name for name in CATALOGUE.averages["datacomp-38"].tasks if name != "imagenet")]
    scores = dict(zip(names, values, strict=True))
    assert scores["geode"] == float(row["GeoDE"]) and scores["fgvc-aircraft"] == float(row["FGVC Aircraft"])
    mean = datacomp(results_of_38(scores)).headline
    assert mean is not None and round(100 * mean.value, 2) == 56.26 and mean.n == 38
    assert mean.low is not None and mean.high is not None and 0.002 < mean.high - mean.low < 0.02


@pytest.mark.parametrize("missing", ["geode", "imagenet"])
def test_37_of_38_are_no_average(missing: str) -> None:
    scores = dict.fromkeys(CATALOGUE.averages["datacomp-38"].tasks, 0.5)
    mean = datacomp(results_of_38(scores, leave_out=missing))
    assert mean.status == "failed" and mean.reason == f"37 of 38 tasks have a whole result; missing: {missing}"
    limited = datacomp(results_of_38(scores, limit=10))
    assert limited.reason == "37 of 38 tasks have a whole result; a subset only: geode"


def test_a_refused_average_of_a_shipped_suite_is_mentioned_where_the_suite_was_run() -> None:
    scores = dict.fromkeys(CATALOGUE.averages["datacomp-38"].tasks, 0.5)
    entries = results_of_38(scores, leave_out="geode")
    averages = [CATALOGUE.averages["datacomp-38"]]
    assert averages_of(entries, averages, CATALOGUE.tasks, likely=True) == []
    run = entries[0].record.run.model_copy(update={"command": "goldieval run --model m --tasks 'datacomp-38,food101'"})
    entries[0] = Entry(entries[0].file, entries[0].record.model_copy(update={"run": run}))
    (found,) = averages_of(entries, averages, CATALOGUE.tasks, likely=True)
    assert found.record.outcome == "refused"
