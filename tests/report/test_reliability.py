"""Reliability figures: what is on them, in every format the same bytes, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import card, goldieval, one_line
from synthetic_records import made

from goldieval.core.errors import GoldievalError
from goldieval.records.parts import Calibration, MeasuredMetric, ReliabilityBin
from goldieval.records.schema import Record
from goldieval.report import figure_files, reliability_drawing
from goldieval.report.reliability import write_reliability
from goldieval.report.reliability_drawing import draw


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw few pixels; nothing that is tested here depends on their number."""
    for module in (figure_files, reliability_drawing):
        monkeypatch.setattr(module, "DOTS_PER_INCH", 60)


def classified(task: str, model: str, missing: str = "") -> Record:
    """Return a record with two bins, or with the reason why it has none."""
    bins = [
        ReliabilityBin(low=0.4, high=0.5, count=30, confidence=0.45, accuracy=0.3),
        ReliabilityBin(low=0.5, high=0.6, count=0, confidence=0.0, accuracy=0.0),
        ReliabilityBin(low=0.9, high=1.0, count=70, confidence=0.95, accuracy=1.0),
    ]
    calibration = Calibration(probabilities="" if missing else "softmax", missing=missing, bins=[] if missing else bins)
    ece = MeasuredMetric(value=0.08, low=0.05, high=0.11, n=100, clusters=100, method="bootstrap")
    record = made("cifar10", model, name=task)
    return record.model_copy(update={"calibration": calibration, "metrics": record.metrics | {"ece": ece}})


def test_a_panel_shows_bars_gaps_shares_and_the_error_with_its_interval() -> None:
    figure = draw([classified("cifar10", "a"), classified("cifar10", r"b$x$_{y}")])
    texts = " ".join(text.get_text() for panel in figure.subfigs for axes in panel.axes for text in axes.texts)
    assert "ECE 8.0 % (5.0–11.0)" in texts and "n 100" in texts
    above, below = figure.subfigs[0].axes
    heights = [bar.get_height() for bar in above.containers[0]]
    assert heights == [0.3, 1.0], "bins without images have no bar"
    assert [round(bar.get_height(), 2) for bar in above.containers[1]] == [0.15, -0.05]
    assert [bar.get_height() for bar in below.containers[0]] == [30, 70]
    assert above.get_title().startswith("cifar10") and r"\$" in figure.subfigs[1].axes[0].get_title()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_nothing_leaves_the_figure(count: int) -> None:
    figure = draw([classified("shapes-zeroshot", f"a-model-with-a-long-name/of-many-parts-{n}") for n in range(count)])
    figure.canvas.draw()
    box = figure.bbox
    for artist in [*figure.legends, *(axes.title for panel in figure.subfigs for axes in panel.axes)]:
        inside = artist.get_window_extent()
        assert inside.x0 >= box.x0 and inside.x1 <= box.x1 and inside.y0 >= box.y0 and inside.y1 <= box.y1


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_the_same_records_give_the_same_file(tmp_path: Path, kind: str) -> None:
    records = [classified("cifar10", "a"), classified("pets", "a"), classified("cifar10", "b", "no temperature")]
    files = [tmp_path / f"{name}.{kind}" for name in "ab"]
    for file in files:
        lines = write_reliability(file, records)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert "2 panels" in lines[0] and lines[1:] == ["not on the figure: b on cifar10: no temperature"]
    assert "1 panel" in write_reliability(files[0], records, "pet*")[0]


def test_what_cannot_be_drawn_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "r.png"
    cases = [
        ([], "", "no record has a calibration"),
        ([classified("cifar10", "a")], "pets", "no record of task 'pets' has a calibration"),
        ([classified("cifar10", "a", "no temperature")], "", "no record has probabilities: no temperature."),
        ([classified("cifar10", f"m{n}") for n in range(25)], "", "25 records are more than the 24 panels"),
    ]
    for records, task, line in cases:
        with pytest.raises(GoldievalError, match=line) as raised:
            write_reliability(file, records, task)
        assert "\n" not in str(raised.value)
    with pytest.raises(GoldievalError, match=r"name a .png, .pdf or .svg file"):
        write_reliability(tmp_path / "r.jpg", [classified("cifar10", "a")])
    (tmp_path / "file").write_text("")
    with pytest.raises(GoldievalError, match="--reliability"):
        write_reliability(tmp_path / "file" / "r.png", [classified("cifar10", "a")])
    assert not file.exists()


def test_the_command_writes_a_figure(tmp_path: Path) -> None:
    params = {"prompts": ["a large {c}"]}
    file = card(tmp_path, "shapes", "zeroshot", headline="acc1", params=params,
                source={"content": "zeroshot", "scenes": 40, "path": ""})  # fmt: skip
    out = tmp_path / "out"
    assert goldieval("run", "--model", "goldiclip", "--tasks", file, "--out", out).code == 0
    ran = goldieval("show", out, "--reliability", tmp_path / "r.svg")
    assert ran.code == 0 and "1 panel" in ran.out and (tmp_path / "r.svg").read_text().startswith("<?xml")
    wrong = goldieval("show", out, "--task", "cifar10")
    assert wrong.code and "--task is for --reliability" in one_line(wrong.err)
    both = goldieval("show", out, "--reliability", tmp_path / "r.svg", "--json")
    assert both.code and "--reliability writes a figure" in one_line(both.err)
    assert goldieval("show", out, "--reliability", tmp_path / "r.gif").code
