"""Records of two versions of a task whose headlines differ: both are shown, and never share a column without a word."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import goldieval
from synthetic_records import made, sha, share, study_run, write

import goldieval as package
from goldieval.records.schema import Record
from goldieval.report.built_table import build_table
from goldieval.report.grid import GridPanel

NEW, OLD, BACKGROUND = "t2i_r1_object+relation", "t2i_r1", "t2i_r1_background"


def record(model: str, version: int) -> Record:
    """Return a record of the shipped card, or of the version before its headline was of some of its strata."""
    metrics = {OLD: share(0.5, 6000), BACKGROUND: share(0.9, 1000)} | ({NEW: share(0.4, 5000)} if version == 2 else {})
    about = {"version": version, "headline": NEW if version == 2 else OLD, "card_sha256": sha(f"card {version}")}
    return made("shapes-finegrained", model, home="shapes", metrics=metrics, **about)


def shown(panel: GridPanel) -> dict[str, dict[str, float | None]]:
    """Return the scores of a panel by model and metric."""
    return {row.name: {cell.score.metric: cell.score.value for cell in row.cells if cell.score} for row in panel.rows}


def test_a_table_says_what_an_older_version_measured(tmp_path: Path) -> None:
    """However many records are of it; alone, they are shown in the same way."""
    old = [record("old", 1), record("older", 1)]
    for name, records in (("both", [*old, record("new", 2)]), ("alone", old)):
        grid = build_table("shapes", [write(tmp_path / name, *records)]).grid
        (panel,) = grid.panels
        measured = {"new": {NEW: 0.4}} if name == "both" else {}
        assert shown(panel) == {"old": {NEW: None}, "older": {NEW: None}, **measured}
        assert grid.footnotes == ["version 1 of the task, without T2I R@1 object+relation: T2I R@1 50.0"]


def test_a_model_with_records_of_both_has_the_newer_one(tmp_path: Path) -> None:
    grid = build_table("shapes", [write(tmp_path, record("one", 2), record("one", 1))]).grid
    assert [shown(panel) for panel in grid.panels] == [{"one": {NEW: 0.4}}] and not grid.footnotes


def test_records_as_columns_have_the_headline_of_each_version(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "table: mine\ntitle: Mine\nmade_here: true\npanels: [{columns: records}]\n"
        "groups: [{title: ours, records: ['*']}]\n"
    )
    grid = build_table(str(file), [write(tmp_path / "out", record("old", 1), record("new", 2))]).grid
    assert [panel.title for panel in grid.panels] == ["", "version 1 of the task"]
    assert shown(grid.panels[0]) == {"new": {OLD: 0.5, NEW: 0.4}, "old": {NEW: None}}
    assert shown(grid.panels[1]) == {"old": {OLD: 0.5}}


def test_runs_of_a_study_keep_the_version_that_most_of_them_have(tmp_path: Path) -> None:
    """Otherwise one run that is made again would empty the table."""
    metrics = {OLD: share(0.1, 5000)}
    for seed in range(3):
        study_run(tmp_path, "clip", "clip", seed, {"shapes-finegrained": 0.1}, version=1, metrics=metrics)
    study_run(tmp_path, "flair", "flair", 0, {"shapes-finegrained": 0.1}, metrics=metrics)
    grid = build_table("methods", [tmp_path]).grid
    assert [fault.partition(": ")[2] for fault in grid.faults] == [
        "shapes-finegrained is left out: version 2 of the task"
    ]


def test_show_and_the_notebook_tell_them_apart(tmp_path: Path) -> None:
    write(tmp_path, record("one", 1), record("one", 2))
    text = " ".join(goldieval("show", tmp_path).out.split())
    assert "scoring; version 1 of the task" in text and "scoring; version 2 of the task" in text
    results = package.load_results(tmp_path)
    for said in (repr(results), results._repr_html_()):
        assert "shapes-finegrained@1" in said and "shapes-finegrained@2" in said
    titles = [axes.get_title() for axes in results.plot("t2i_r1").axes]
    assert any("version 1 of the task" in title for title in titles) and len(titles) == 2
    write(tmp_path / "alone", record("one", 2))
    assert "version" not in goldieval("show", tmp_path / "alone").out


def test_they_are_not_compared(tmp_path: Path) -> None:
    write(tmp_path, record("old", 1), record("new", 2))
    ran = goldieval("compare", "old", "new", "--out", tmp_path)
    assert ran.code != 0 and "version of the task 1 under A, 2 under B" in ran.err, ran.err


@pytest.mark.parametrize(("version", "score"), [(1, None), (2, 0.4)])
def test_the_list_of_tasks_shows_a_score_of_the_cards_headline_alone(
    tmp_path: Path, version: int, score: float | None
) -> None:
    import json

    write(tmp_path, record("one", version))
    ran = goldieval("ls", "tasks", "shapes-finegrained", "--out", tmp_path, "--json")
    (row,) = json.loads(ran.out)
    assert (row["headline"], row["score"]) == ("T2I R@1 object+relation", score)
