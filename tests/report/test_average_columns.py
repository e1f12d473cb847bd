"""Averages of suites in tables: a column like that of a task, beside published ones; refused ones with a footnote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from average_cases import cards, record

from goldieval.report.built_table import build_table
from goldieval.report.efficiency import efficiency
from goldieval.report.formats import FORMATS
from goldieval.report.grid import Grid, GridRow
from goldieval.report.page import write_page
from goldieval.report.plot_choice import PlotChoice
from goldieval.report.table_spec import TableSpec

GROUPS = [{"title": "here", "records": ["*"]}]


def grid_of(out: Path, folder: Path, columns: Any, **more: Any) -> Grid:
    spec = {"table": "mine", "title": "Mine", "panels": [{"columns": columns}], "groups": GROUPS, **more}
    return build_table(TableSpec.model_validate(spec), [out], tasks_dir=folder).grid


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return cards(tmp_path / "cards")


def two_models(out: Path, folder: Path, without: str = "") -> Path:
    for spec, more in (("toy:a", 0), ("toy:b", 30)):
        for task in ("one", "two", "three"):
            if (spec, task) != ("toy:b", without):
                record(out, folder, task, 50 + more, spec=spec)
    return out


def rows(grid: Grid) -> dict[str, GridRow]:
    return {row.name: row for panel in grid.panels for row in panel.rows}


def test_all_records_have_their_average_beside_them(tmp_path: Path, folder: Path) -> None:
    grid = grid_of(two_models(tmp_path / "out", folder), folder, "records")
    (panel,) = grid.panels
    assert panel.columns == ["mean average", "one top-1", "three top-1", "two top-1"]
    assert [grid.value(row.cells[0]) for row in panel.rows] == ["50.0", "80.0"]
    assert panel.n[0] == "3" and panel.mdd[0] is not None and panel.headline[0]
    assert rows(grid)["toy:b"].cells[0].best  # 30 points are more than the errors allow


def test_an_average_follows_the_columns_of_its_tasks(tmp_path: Path, folder: Path) -> None:
    out = two_models(tmp_path / "out", folder)
    columns = [{"task": task, "metric": "acc1"} for task in ("one", "two", "three")]
    assert grid_of(out, folder, columns).panels[0].columns[-1] == "mean average"
    assert len(grid_of(out, folder, columns[:2]).panels[0].columns) == 2
    named = [{"task": "mean", "metric": "average", "label": "all"}, *columns]
    assert grid_of(out, folder, named).panels[0].columns == ["all", "one top-1", "two top-1", "three top-1"]


def test_a_model_without_a_member_has_a_dash_and_the_reason(tmp_path: Path, folder: Path) -> None:
    out = two_models(tmp_path / "out", folder, without="two")
    for columns in ("records", [{"task": "mean", "metric": "average"}, {"task": "one", "metric": "acc1"}]):
        grid = grid_of(out, folder, columns)
        cell = rows(grid)["toy:b"].cells[0]
        assert grid.value(cell) == "–" and not cell.best
        assert [grid.footnotes[note - 1] for note in cell.notes] == [
            "refused: 2 of 3 tasks have a whole result; missing: two"
        ]
        for name in ("markdown", "latex", "html", "csv"):
            assert "2 of 3 tasks have a whole result" in FORMATS[name](grid)


def test_an_average_that_no_model_has_is_a_line_and_no_column(tmp_path: Path, folder: Path) -> None:
    for task in ("one", "three"):
        record(tmp_path / "out", folder, task, 50)
    grid = grid_of(tmp_path / "out", folder, "records")
    assert grid.panels[0].columns == ["one top-1", "three top-1"]
    assert grid.hints == ["mean of toy:a refused: 2 of 3 tasks have a whole result; missing: two"]
    alone = grid_of(tmp_path / "out", folder, [{"task": "one", "metric": "acc1"}])
    assert alone.hints == [] and alone.panels[0].columns == ["one top-1"]


def test_a_table_without_records_names_the_members_to_run(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "out").mkdir()
    hint = grid_of(tmp_path / "out", folder, [{"task": "mean", "metric": "average"}]).hints[0]
    assert f"goldieval run --model MODEL --tasks one,two,three --tasks-dir {folder}" in hint


def test_a_wrong_metric_of_an_average_is_a_fault(tmp_path: Path, folder: Path) -> None:
    grid = grid_of(two_models(tmp_path / "out", folder), folder, [{"task": "mean", "metric": "acc1"}])
    assert "task mean has no metric 'acc1'" in grid.faults[0]


def test_published_averages_stand_in_the_column(tmp_path: Path) -> None:
    columns = [{"task": "datacomp-38", "metric": "average"}]
    (tmp_path / "out").mkdir()
    groups = [{"title": "published", "published": ["OpenAI CLIP B/16"]}]
    grid = grid_of(tmp_path / "out", cards(tmp_path / "cards"), columns, groups=groups)
    assert grid.faults == [] and grid.value(rows(grid)["OpenAI CLIP B/16"].cells[0]) == "56.3"


def test_the_page_and_the_plot_have_averages(tmp_path: Path, folder: Path) -> None:
    out = two_models(tmp_path / "out", folder)
    spec = {"table": "mine", "title": "Mine", "panels": [{"columns": "records"}], "groups": GROUPS, "plot": {}}
    choice = PlotChoice("mean:average", (), ("toy*=30M,",))
    built = build_table(TableSpec.model_validate(spec), [out], tasks_dir=folder, plot=choice)
    write_page(tmp_path / "page.html", built)
    page = (tmp_path / "page.html").read_text()
    assert "of 3 tasks" in page and "of 4 tasks" not in page  # the average is not counted a second time
    assert "task-mean" in page and "Mean of all" in page and "mean of 3 members" in page
    plot = efficiency(built.spec, built.sources)
    assert plot is not None and {point.name for point in plot.points} == {"toy:a", "toy:b"}


def test_a_narrow_table_keeps_a_published_average() -> None:
    grid = build_table("datacomp-38", []).grid
    panel = next(panel for panel in grid.panels if "mean of 38" in panel.columns)
    assert panel.headline[panel.columns.index("mean of 38")]
