"""SuperCLIP's table of a LLaVA on its tower: published, own and imported numbers of one split in one column."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from helpers import goldieval
from synthetic_records import made, share, write

from goldieval.records.parts import MeasuredMetric
from goldieval.report.built_table import BuiltTable, build_table
from goldieval.report.field.collected import field_of
from goldieval.report.grid import Cell

OWN, THEIRS = "vlm:FOLDER", "pretrained=superclip-b"
SUPERCLIP, LLAVA = "SuperCLIP B-512M", "LLaVA-1.5-7B, OpenAI CLIP L/14-336"
LMMS = {
    "results": {
        "vqav2_val": {"exact_match,none": 0.7},
        "gqa": {"exact_match,none": 0.575},
        "vizwiz_vqa_val": {"exact_match,none": 0.45},
        "mme": {"mme_percetion_score,none": 1500.0, "mme_cognition_score,none": 300.0},  # so written by version 0.2
        "pope": {"pope_accuracy,none": 0.86, "pope_f1_score,none": 0.85},
    },
    "config": {"model": "llava", "model_args": THEIRS},
}


def points(value: float, half: float) -> MeasuredMetric:
    return MeasuredMetric(
        value=value, low=value - half, high=value + half, n=1187, clusters=1187, method="jackknife", separable=3 * half
    )


def records() -> list[Any]:
    own: dict[str, Any] = {"model": OWN, "scoring": "generate"}
    pope = {"mean_f1": share(0.821, 9000), "f1": share(0.822, 9000), "accuracy": share(0.83, 9000)}
    return [
        made("vqav2-val", value=0.701, n=214_354, **own),
        made("vqav2-testdev", metrics={"answered": share(0.999, 107_394)}, **own),
        made("gqa", value=0.581, n=12_578, **own),
        made("vizwiz-val", value=0.452, n=4319, **own),
        made("pope", metrics=pope, **own),
        made("mme", metrics={"perception": points(1540.2, 41), "cognition": points(310.5, 20)}, **own),
    ]


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """A folder of own records, and a file of lmms-eval."""
    file = tmp_path / "run.json"
    file.write_text(json.dumps(LMMS))
    folder = tmp_path / "results"
    folder.mkdir()
    return write(folder, *records()), file


@pytest.fixture
def built(places: tuple[Path, Path]) -> BuiltTable:
    return build_table("superclip-llava", [places[0]], [places[1]])


def cell(built: BuiltTable, task: str, metric: str, model: str) -> Cell | None:
    """Return the cell of a model in the column of a task and a metric; None where it has no row there."""
    for panel, spec in zip(built.grid.panels, built.spec.panels, strict=True):
        places = [(one.task, one.metric) for one in spec.columns if not isinstance(one, str)]
        if (task, metric) in places:
            rows = {row.name: row for row in panel.rows}
            return rows[model].cells[places.index((task, metric))] if model in rows else None
    raise AssertionError(f"no column of {task}, {metric}")


def value(built: BuiltTable, task: str, metric: str, model: str) -> float | None:
    found = cell(built, task, metric, model)
    known = found is not None and found.score is not None and found.score.value is not None
    return round(found.score.value, 6) if known else None  # type: ignore[union-attr,arg-type]


def test_own_published_and_imported_numbers_share_the_columns_of_their_split(built: BuiltTable) -> None:
    assert [value(built, "gqa", "accuracy", model) for model in (SUPERCLIP, LLAVA, OWN, THEIRS)] == pytest.approx(
        [0.575, 0.62, 0.581, 0.575]
    )
    assert [value(built, "mme", "perception", model) for model in (SUPERCLIP, OWN, THEIRS)] == [1562.0, 1540.2, 1500.0]
    assert [value(built, "mme", "cognition", model) for model in (OWN, THEIRS)] == [310.5, 300.0]
    assert built.grid.faults == []


def test_other_splits_and_metrics_stay_apart(built: BuiltTable) -> None:
    """Test splits have servers; POPE's mean F1, its F1 of all questions and the unstated one are three columns."""
    assert value(built, "vqav2-testdev", "accuracy", SUPERCLIP) == pytest.approx(0.696)
    assert value(built, "vqav2-testdev", "accuracy", OWN) is None
    assert [value(built, "vqav2-val", "accuracy", model) for model in (SUPERCLIP, OWN)] == [None, 0.701]
    assert value(built, "vizwiz-test", "accuracy", SUPERCLIP) == pytest.approx(0.444)
    assert value(built, "vizwiz-test", "accuracy", THEIRS) is None
    assert [value(built, "pope", "mean_f1", model) for model in (LLAVA, OWN, THEIRS)] == [0.859, 0.821, None]
    assert [value(built, "pope", "f1", model) for model in (LLAVA, OWN, THEIRS)] == [None, 0.822, 0.85]
    assert value(built, "llava-pope", "accuracy_or_f1", SUPERCLIP) == pytest.approx(0.82)


def test_published_rows_are_of_generated_answers_too(built: BuiltTable) -> None:
    """A footnote would say so if they were of another scoring mode."""
    for task, metric in (("gqa", "accuracy"), ("mme", "perception"), ("pope", "mean_f1")):
        found = cell(built, task, metric, LLAVA)
        assert found is not None and found.comparable
    assert not any("not comparable" in note for note in built.grid.footnotes)


def test_footnotes_name_what_differs(built: BuiltTable) -> None:
    notes = "\n".join(built.grid.footnotes)
    for words in ("OCR tokens in the prompt or not: unstated", "normalised even where annotators agree",
                  "without punctuation", "not the mean of three splits", "accuracy or F1: unstated"):  # fmt: skip
        assert words in notes


def test_a_difference_of_scores_is_no_percentage(built: BuiltTable) -> None:
    (panel,) = [panel for panel in built.grid.panels if panel.title == "MME"]
    assert built.grid.mdd(panel) == ["123", "60"] and panel.unit(0) == "score"


@pytest.mark.parametrize("form", ["terminal", "markdown", "latex", "csv"])
def test_every_format_has_all_kinds_of_rows(places: tuple[Path, Path], form: str) -> None:
    ran = goldieval("table", "superclip-llava", "--out", str(places[0]), "--import", str(places[1]), "--format", form)
    assert ran.code == 0 and ran.err == ""
    for name in (SUPERCLIP, OWN, "superclip-b"):
        assert name in ran.out
    if form == "csv":
        kinds = {(row["task"], row["kind"]) for row in csv.DictReader(ran.out.splitlines())}
        assert {("gqa", kind) for kind in ("published", "ours", "imported")} <= kinds


def test_the_page_has_the_sums_of_mme(places: tuple[Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    ran = goldieval(
        "table", "superclip-llava", "--out", str(places[0]), "--import", str(places[1]), "--html", str(page)
    )
    text = page.read_text(encoding="utf-8")
    assert ran.code == 0 and "1,540" in text and "MDD 123" in text and "12,300" not in text


def test_the_field_has_own_numbers_beside_published_ones(built: BuiltTable) -> None:
    columns = {(column.task, column.metric): column for column in field_of(built.sources).columns}
    gqa = columns["gqa", "accuracy"]
    compared = {number.model.name: number.value for number in gqa.numbers if number.compared}
    assert compared[OWN] == 0.581 and compared[LLAVA] == pytest.approx(0.62)
    assert gqa.group == columns["mme", "perception"].group == "vqa"
