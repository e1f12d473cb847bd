"""SuperCLIP's table of vision alone: own fine-tuned numbers beside published ones, frozen towers in a panel apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from synthetic_records import made, share, write

from goldieval.metrics.registry import metric_of
from goldieval.records.parts import MeasuredMetric
from goldieval.report.built_table import BuiltTable, build_table

OWN, SUPERCLIP = "superclip@FILE", "SuperCLIP B-512M"


def metres(value: float, half: float) -> MeasuredMetric:
    return MeasuredMetric(
        value=value, low=value - half, high=value + half, n=654, clusters=654, method="jackknife", separable=3 * half
    )


@pytest.fixture
def built(tmp_path: Path) -> BuiltTable:
    """The table with records of a frozen and of a fine-tuned tower."""
    own: dict[str, Any] = {"model": OWN}
    tuned = own | {"scoring": "dense-probe:finetuned", "protocol": "reconstruction"}
    depth = {"rmse": metres(0.7512, 0.02)}
    records = [
        made("imagenet-probe-superclip", value=0.752, n=50_000, scoring="features", **own),
        made("voc12-linear", value=0.552, n=1449, scoring="dense-probe:projected", **own),
        made("voc12-linear", name="voc-finetuned", metrics={"miou": share(0.641, 1449)}, **tuned),
        made("ade20k-linear", name="ade20k-finetuned", metrics={"miou": share(0.317, 2000)}, **tuned),
        made("nyuv2-linear", metrics={"rmse": metres(0.512, 0.01)}, scoring="dense-probe:projected", **own),
        made("nyuv2-linear", name="nyuv2-finetuned", metrics=depth, **tuned),
    ]
    folder = tmp_path / "results"
    folder.mkdir()
    return build_table("superclip-vision", [write(folder, *records)])


def row(built: BuiltTable, panel: int, model: str) -> list[float | None]:
    (found,) = [row for row in built.grid.panels[panel].rows if row.name == model]
    return [round(cell.score.value, 4) if cell.score and cell.score.value is not None else None for cell in found.cells]


def test_own_numbers_stand_beside_the_published_ones(built: BuiltTable) -> None:
    assert row(built, 0, SUPERCLIP) == [0.771, 0.655, 0.321, 0.746]
    assert row(built, 0, OWN) == [0.752, 0.641, 0.317, 0.7512]
    assert built.grid.mdd(built.grid.panels[0])[-1] == "0.060"  # metres
    assert built.grid.faults == []


def test_frozen_towers_have_a_panel_without_published_numbers(built: BuiltTable) -> None:
    assert "frozen" in built.grid.panels[1].title and "not comparable" in built.grid.panels[1].title
    assert row(built, 1, OWN) == [0.552, None, None, 0.512]
    assert {found.kind for found in built.grid.panels[1].rows} == {"ours"}


def test_unstated_recipes_are_footnotes_and_groups_are_not_compared(built: BuiltTable) -> None:
    assert {"fine-tuning recipe unstated", "features and schedule unstated"} <= set(built.grid.footnotes)
    assert not any("not comparable" in note for note in built.grid.footnotes)
    assert built.spec.marks.within == "group"


def test_columns_have_metrics_of_their_cards_and_lower_errors_are_better(built: BuiltTable) -> None:
    columns = [column for panel in built.spec.panels for column in panel.columns if not isinstance(column, str)]
    cards = {
        column.task: built.sources.tasks[column.task].card for column in columns if column.task in built.sources.tasks
    }
    assert {"voc12-linear", "ade20k-linear", "cityscapes-linear", "nyuv2-linear", "imagenet-probe-superclip"} <= set(
        cards
    )
    assert [
        column.task for column in columns if column.task in cards and column.metric not in cards[column.task].metrics()
    ] == []
    assert metric_of("rmse").lower_is_better and not metric_of("miou").lower_is_better
