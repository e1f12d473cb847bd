"""Tables: marks, differences and footnotes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import goldieval, one_line
from synthetic_records import made, write
from table_cases import cells, spec, table

from goldieval.records.writing import write_record
from goldieval.report.built_table import BuiltTable, build_table
from goldieval.report.formats import FORMATS
from goldieval.report.grid import Cell, GridPanel
from goldieval.report.score import Score

pytestmark = pytest.mark.usefixtures("here")


CONDITIONED = "text-conditioned scores: not comparable with the rest of this column"


def cells_of(made_table: BuiltTable, name: str) -> list[Cell]:
    return next(row.cells for panel in made_table.grid.panels for row in panel.rows if row.name == name)


@pytest.mark.parametrize(
    ("scoring", "model", "note"),
    [
        ("global", "FLAIR Merged-30M B/16", CONDITIONED),
        ("shortlist:128", "FLAIR Merged-30M B/16", CONDITIONED),
        ("conditioned", "COSMOS Merged-30M B/16", "global scores: not comparable with the rest of this column"),
    ],
)
def test_a_published_row_that_scores_in_another_way_has_a_footnote_and_no_mark(
    tmp_path: Path, scoring: str, model: str, note: str
) -> None:
    groups = [
        {"title": "p", "published": ["FLAIR Merged-30M B/16", "COSMOS Merged-30M B/16"]},
        {"title": "o", "records": ["*"]},
    ]
    column = {"task": "coco-val2017", "metric": "t2i_r1"}
    place = spec(tmp_path, groups=groups, panels=[{"columns": [column]}])
    laid = table(place, made("coco-val2017", "ours", 0.30, scoring=scoring))
    (marked,) = cells_of(laid, model)
    assert not marked.comparable and [laid.grid.footnotes[number - 1] for number in marked.notes] == [note]
    assert all(note in format_(laid.grid) for format_ in FORMATS.values())
    if scoring == "conditioned":
        assert cells_of(laid, "FLAIR Merged-30M B/16")[0].comparable
    if scoring == "global":
        assert cells_of(laid, "COSMOS Merged-30M B/16")[0].comparable


def test_published_segmentation_stands_beside_records_of_its_own_attention_only(tmp_path: Path) -> None:
    groups = [{"title": "p", "published": ["FLAIR Merged-30M B/16"]}, {"title": "o", "records": ["*"]}]
    place = spec(tmp_path, groups=groups, panels=[{"columns": "records"}])
    for attention, value in (("plain", 0.73), ("csa", 0.41)):
        record = made("voc20", "ours", 0.30, scoring=f"dense:{attention}:projection")
        laid = build_table(place, [write(tmp_path / attention, record)])
        (cell,) = cells_of(laid, "FLAIR Merged-30M B/16")
        assert cell.comparable and cell.score is not None and cell.score.value == value
    csa_alone = made("pc59", "ours", 0.30, scoring="dense:plain:projection")
    groups[0]["published"] = ["OpenAI CLIP B/16"]
    laid = build_table(
        spec(tmp_path, groups=groups, panels=[{"columns": "records"}]), [write(tmp_path / "p", csa_alone)]
    )
    (cell,) = cells_of(laid, "OpenAI CLIP B/16")
    assert not cell.comparable and "dense:csa scores" in laid.grid.footnotes[cell.notes[0] - 1]


def test_marks_need_a_difference_that_can_be_separated(tmp_path: Path) -> None:
    """Best 47.8 and second 43.4 of 5,000 images differ significantly. With a row at 47.0 there is no mark."""
    (panel,) = table(spec(tmp_path)).grid.panels
    found = cells(panel)
    assert found["SigLIP @224 B/16"].best and found["DFN-2B B/16"].second and not found["OpenAI CLIP B/16"].second
    (panel,) = table(spec(tmp_path), made("coco-karpathy", "near", 0.47)).grid.panels
    assert [cell for cell in panel.column(0) if cell.best or cell.second] == []


def test_published_rows_without_n_are_never_marked(tmp_path: Path) -> None:
    column = {"task": "voc20", "metric": "miou", "protocol": "training-free, CSA"}
    groups = [{"title": "published", "published": ["OpenAI CLIP B/16", "FLAIR Merged-30M B/16"]}]
    grid = table(spec(tmp_path, panels=[{"columns": [column]}], groups=groups)).grid
    assert not any(cell.best or cell.second for cell in grid.panels[0].column(0))


def test_lower_is_better_for_errors(tmp_path: Path) -> None:
    from goldieval.report.grid import GridRow, RowGroup
    from goldieval.report.highlighting import highlight
    from goldieval.report.table_spec import Marks

    rows = [
        GridRow(
            name, "ours", [Cell(Score(name, "ours", "t", "t2i_mean_rank", value, "rank", value - 0.1, value + 0.1, 9))]
        )
        for name, value in (("far", 9.0), ("near", 2.0), ("middle", 5.0))
    ]
    panel = GridPanel("", ["rank"], ["t2i_mean_rank"], [RowGroup("", rows)])
    highlight(panel, Marks())
    assert [row.name for row in rows if row.cells[0].best] == ["near"]
    assert [row.name for row in rows if row.cells[0].second] == ["middle"]


def test_differences_from_a_baseline_half_widths_n_and_mdd(tmp_path: Path) -> None:
    records = made("coco-karpathy", "a", 0.5, 25010), made("coco-karpathy", "b", 0.55, 25010)
    grid = table(spec(tmp_path), *records, delta="a").grid
    text = FORMATS["markdown"](grid)
    assert "| b | **55.0** ± 0.6 (+5.0) |" in text and "| n | 25,010 |" in text and "| MDD | 2.8 |" in text
    ran = goldieval("table", spec(tmp_path), "--delta", "nobody")
    assert ran.code == 2 and "no such row" in one_line(ran.err)


def outcomes(values: list[int]) -> dict[str, np.ndarray]:
    """Return the outcomes of a retrieval record for t2i queries that are right (1) or wrong (0)."""
    ids = np.array([f"t{number}" for number in range(len(values))])
    ranks = np.where(np.array(values) == 1, 1, 9)
    one = np.ones(len(values), dtype=np.int64)
    return {
        "direction": np.array(["t2i"] * len(values)), "sample_id": ids, "cluster_id": ids, "rank_low": ranks,
        "rank_high": ranks, "tied_positives": one, "positives": one,
    }  # fmt: skip


def paired_records(folder: Path) -> list[Path]:
    """Write two records that differ on 40 of 5,000 queries, all in favour of one; their intervals overlap."""
    folder.mkdir()
    hits = [1] * 2500 + [0] * 2500
    better = [1] * 2540 + [0] * 2460
    return [
        write_record(folder, made("coco-karpathy", name, sum(values) / 5000), outcomes(values))
        for name, values in (("worse", hits), ("better", better))
    ]


def test_records_of_the_same_samples_are_separated_in_pairs(tmp_path: Path) -> None:
    groups = [{"title": "ours", "records": ["*"]}]
    paired_records(tmp_path / "results")
    found = cells(table(spec(tmp_path, groups=groups)).grid.panels[0])
    assert found["better"].best and not found["worse"].best


def test_outcomes_that_are_not_the_records_are_a_line_and_the_rest_is_printed(tmp_path: Path) -> None:
    first, _ = paired_records(tmp_path / "results")
    first.with_suffix(".parquet").write_bytes(b"something else")
    ran = goldieval("table", spec(tmp_path, groups=[{"title": "ours", "records": ["*"]}]))
    assert ran.code == 0 and "50.8" in ran.out and "50.0" in ran.out
    assert "do not match. Run the task again" in one_line(ran.err)
    assert goldieval("table", spec(tmp_path, groups=[{"title": "ours", "records": ["*"]}]), "--strict").code == 2
