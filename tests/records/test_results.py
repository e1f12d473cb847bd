"""Records in a notebook: the table, the display and the figure say what the records say."""

from __future__ import annotations

import html.parser
import itertools
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure
from synthetic_records import made, share, write

import goldieval
from goldieval.records.parts import MeasuredMetric
from goldieval.records.results import Results

HOSTILE = "<script>alert(1)</script>&\x1b[31m\u202e$x_{$"
NO_INTERVAL = MeasuredMetric(value=0.5, low=None, high=None, n=1, clusters=1, method="none", unreliable="one class")


class Tags(html.parser.HTMLParser):
    """Collects tags and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def curve(*seen: int | None, run: str = "run", task: str = "cifar10") -> list[Any]:
    names = [f"goldiclip@{run}/step-{number:06d}" for number in range(len(seen))]
    return [made(task, names[n], 0.1 * n + 0.2, images_seen=images) for n, images in enumerate(seen)]


def test_the_package_offers_its_api_and_nothing_else() -> None:
    assert dir(goldieval) == sorted(goldieval.__all__)
    assert all(getattr(goldieval, name) for name in goldieval.__all__)


def test_the_frame_has_all_that_a_number_depends_on(tmp_path: Path) -> None:
    one = made("cifar10", "one", images_seen=640, unique_pairs=32, limit=200, scoring="conditioned")
    other = made("coco-karpathy", "other", metrics={"t2i_r1": share(0.25, 40), "i2t_r1": NO_INTERVAL})
    other = other.model_copy(update={"task": other.task.model_copy(update={"subset": "present"})})
    frame = goldieval.load_results(write(tmp_path, one, other)).frame()
    first, second, third = frame.to_dict("records")
    assert first["fingerprint"] == one.model.fingerprint and first["protocol"] == one.task.protocol
    assert (first["images_seen"], first["unique_pairs"], first["limit"], first["n"]) == (640, 32, 200, 5000)
    assert (first["subset"], first["scoring"], second["subset"]) == ("200 images", "conditioned", "present")
    assert (first["low"], first["chance"]) == (one.metrics["acc1"].low, 0.1)
    assert pd.isna(second["images_seen"]) and pd.isna(third["low"]) and third["unreliable"] == "one class"
    assert [str(frame[name].dtype) for name in ("images_seen", "n", "low", "chance")] == ["Int64"] * 2 + ["float64"] * 2


def test_a_frame_without_scores_has_the_same_columns() -> None:
    failed = made("cifar10", status="failed", reason="gone", metrics={})
    for results in (Results([]), Results([failed])):
        frame = results.frame()
        assert len(frame) == 0 and list(frame) == list(Results([made("cifar10")]).frame())


def test_the_text_is_a_short_table_that_keeps_the_warnings() -> None:
    notice = "GoldiCLIP-R (reconstruction): not the paper's ViT-B/16, " + "whose weights are not public " * 3
    records = [made("cifar10", "one", 0.25, limit=200, notice=notice), made("coco-karpathy", "one", notice=notice)]
    failed = made("cars", "other", status="failed", reason="no such\nfile", metrics={})
    shown = repr(Results([*records, failed], ["a.json is not a record"], {"third": "no file"}))
    lines = shown.splitlines()
    assert lines[0] == "Results: 3 records of 2 models" and all(len(line) <= 80 for line in lines)
    flat = " ".join(shown.split())
    assert "cifar10 top-1 25.0 23.8–26.2 5,000 10.0" in flat and "not the paper's ViT-B/16" in flat
    assert "cifar10: a subset (200 images), not comparable with the whole task" in flat
    assert "cars FAILED: no such\\nfile" in flat and "model third failed: no file" in flat and "a.json" in flat
    assert repr(Results([])) == "Results: no records"


def test_many_records_are_cut_with_their_number() -> None:
    shown = repr(Results([made("cifar10", f"model-{number}") for number in range(100)]))
    assert "model-29" in shown and "model-30" not in shown and "and 70 more records" in shown


def test_html_is_escaped() -> None:
    record = made("cifar10", HOSTILE, notice=HOSTILE, status="partial", reason=HOSTILE)
    failed = made("cars", "b", status="failed", reason=HOSTILE, metrics={})
    page = Results([record, failed], [HOSTILE], {HOSTILE: HOSTILE})._repr_html_()
    read = Tags(page)
    assert read.tags <= {"div", "p", "table", "thead", "tbody", "tr", "th", "td"}
    assert "\x1b" not in page and "\u202e" not in page
    assert sum("<script>alert(1)</script>&\\x1b[31m\\u202e$x_{$" in text for text in read.texts) == 6
    assert "50.0" in read.texts and "10.0" in read.texts


def test_the_text_is_printable() -> None:
    assert "\x1b" not in (shown := repr(Results([made("cifar10", HOSTILE, notice=HOSTILE)]))) and "\u202e" not in shown


def drawn(figure: Figure) -> list[Any]:
    """Draw a figure and return its panels."""
    figure.canvas.draw()
    return list(figure.axes)


def test_models_are_rows_with_intervals() -> None:
    records = [made("cifar10", "one", 0.25), made("cifar10", "two", 0.75), made("coco-karpathy", "one", 0.5)]
    first, second = drawn(Results(records).plot())
    assert (first.get_title(), second.get_title()) == ("cifar10", "coco-karpathy")
    assert [label.get_text() for label in first.get_yticklabels()] == ["one", "two"]
    lines = [tuple(line.get_xdata()) for line in first.get_lines()]
    low, high = records[0].metrics["acc1"].low, records[0].metrics["acc1"].high
    assert (100 * (low or 0), 100 * (high or 0)) in lines and (25.0,) in lines and (75.0,) in lines
    assert (10.0, 10.0) in lines  # chance


def test_checkpoints_of_a_training_are_a_curve_over_images_seen() -> None:
    """Whatever their order; a model whose training is not known is a line across."""
    records = [*curve(640, 64, 128), *curve(100, 200, run="other"), made("cifar10", "random", 0.1)]
    (axes,) = drawn(Results(records).plot())
    curves = {line.get_label(): line for line in axes.get_lines()}
    one = curves["goldiclip@run/step-*"]
    assert list(one.get_xdata()) == [64, 128, 640] and list(one.get_ydata()) == pytest.approx([30, 40, 20])
    assert list(curves["goldiclip@other/step-*"].get_xdata()) == [100, 200]
    assert list(curves["random (images seen not known)"].get_ydata()) == [10, 10]
    assert axes.get_xlabel() == "images seen"


def test_settings_that_are_not_comparable_have_panels_of_their_own() -> None:
    records = [
        *(made("cifar10", "one", 0.5), made("cifar10", "one", 0.6, scoring="conditioned")),
        *(made("cifar10", "one", 0.7, limit=200), made("cifar10", "one", 0.8, protocol="other prompts")),
    ]
    panels = drawn(Results(records).plot())
    titles = [" ".join(axes.get_title().split()) for axes in panels]
    assert len(set(titles)) == 4 and "conditioned scoring" in titles[1] and "a subset: 200 images" in titles[2]
    assert "other prompts" in titles[3]


def test_epochs_are_in_natural_order_and_the_panels_of_a_task_beside_each_other(tmp_path: Path) -> None:
    specs = [f"open_clip:ViT-B-32@run/epoch_{number}.pt" for number in (10, 9)]
    write(tmp_path, *(made(task, spec, scoring=mode) for task in ("cifar10", "coco-karpathy")
                      for spec, mode in zip(specs, ("conditioned", "global"), strict=True)))  # fmt: skip
    loaded = goldieval.load_results(tmp_path)
    assert str(loaded).index("epoch_9.pt") < str(loaded).index("epoch_10.pt")
    titles = [axes.get_title() for axes in loaded.plot().figure.axes]
    assert titles == ["cifar10, global scoring", "cifar10, conditioned scoring",
                      "coco-karpathy, global scoring", "coco-karpathy, conditioned scoring"]  # fmt: skip


def test_a_metric_is_chosen_and_a_missing_one_is_one_line() -> None:
    records = Results([made("coco-karpathy", metrics={"t2i_r1": share(0.5, 9), "i2t_r1": NO_INTERVAL})])
    assert drawn(records.plot("i2t_r1"))[0].get_xlabel() == "I2T R@1, %"
    with pytest.raises(goldieval.GoldievalError, match=r"no record has acc1\. There are: i2t_r1, t2i_r1"):
        records.plot("acc1")
    with pytest.raises(goldieval.GoldievalError, match="no record has a score"):
        Results([]).plot()


@pytest.mark.parametrize("over_images", [False, True])
def test_no_text_of_a_figure_is_cut_or_lies_upon_another(over_images: bool) -> None:
    """With long names and formulas in them, which are text."""
    names = ["open_clip:ViT-B-16@/data/a/long/folder/of/experiments/epoch_32.pt", HOSTILE, "x" * 90, "random"]
    notice = "a reconstruction, trained on drawn scenes; " * 5
    tasks = ["cifar10", "coco-karpathy", "cars"]
    records = [made(task, name, notice=notice) for task in tasks for name in names]
    if over_images:
        runs = ("a/long/folder/of/experiments", HOSTILE.replace("/", "|"), "small")
        records += [
            record for task in tasks for run in runs for record in curve(1_000_000, 2_000_000, run=run, task=task)
        ]
    figure = Results(records).plot()
    axes = drawn(figure)
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    texts = [figure._supxlabel, *itertools.chain(*(legend.get_texts() for legend in figure.legends))]  # type: ignore[attr-defined]
    for each in axes:
        texts += [each.title, each.xaxis.label, *each.get_yticklabels()]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_text()]
    for text, box in boxes:
        assert box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y0 >= -1 and box.y1 <= figure.bbox.y1 + 1, text
    for (one, box), (two, other) in itertools.combinations(boxes, 2):
        overlap_x = min(box.x1, other.x1) - max(box.x0, other.x0)
        overlap_y = min(box.y1, other.y1) - max(box.y0, other.y0)
        assert overlap_x < 1 or overlap_y < 1, (one, two)
    assert figure._repr_png_()[:4] == b"\x89PNG"  # type: ignore[attr-defined]
