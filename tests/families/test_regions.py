"""The family ``regions`` by hand, on pictures whose boxes a test can name by itself, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from box_cases import board, boxes_of, colours_model, counts_of, task_of_boxes
from family_cases import values
from helpers import card, goldieval, json_lines, one_line
from PIL import Image

from goldieval import evaluate
from goldieval.core.errors import TaskError
from goldieval.data.boxes import Boxes
from goldieval.data.subset import keep_images
from goldieval.families.region_sheet import RIGHT, WRONG
from goldieval.families.region_units import by_box, by_picture
from goldieval.families.regions import FAMILY, RegionsEvidence
from goldieval.models.inputs import Batching
from goldieval.records.files import find_records, read_outcomes, read_record

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
NAMES = ["red", "green", "blue"]


# --- scores by hand ---------------------------------------------------------------------------------------------------


def test_own_texts_by_hand() -> None:
    """Box 0 is right, 1 ties with a false text, 2 is wrong; 1 has two candidates, the others three."""
    rows = [
        {"candidates": ["a", "b", "c"], "groups": ["easy"]},
        {"candidates": ["a", "c"], "image": "q"},
        {"candidates": ["c", "b", "a"], "groups": ["easy"]},
    ]
    prepared = FAMILY.prepare(task_of_boxes(strata=["easy", "medium"]), boxes_of(rows))
    scores = [[0.9, 0.1, 0.2], [0.5, 0.5, -np.inf], [0.1, 0.2, 0.3]]
    scored = FAMILY.score(prepared, RegionsEvidence(counts_of(scores, [0, 0, 0])))
    assert values(scored) == pytest.approx(
        {"accuracy": 0.5, "acc1": 2 / 3, "accuracy_easy": 0.5, "accuracy_medium": 0.5}
    )  # the true text comes first in the order of arg-max, so that it wins ties in top-1, as in FG-CLIP
    assert scored.metrics["accuracy"].chance == pytest.approx((1 / 3 + 1 / 2 + 1 / 3) / 3)
    assert scored.metrics["accuracy_easy"].chance == pytest.approx(1 / 3)
    assert scored.metrics["accuracy"].clusters == 2 and scored.ties.queries == 1
    columns = {name: column.tolist() for name, column in scored.outcomes.items()}
    assert columns["text"] == ["a", "a", "c"] and columns["wrong_content"] == ["c", "c", "a"]
    assert columns["cluster_id"] == ["p", "q", "p"] and columns["rank_high"] == [1, 2, 3]
    assert columns["box"][0] == [0.0, 0.0, 40.0, 40.0] and columns["strata"][1] == ["medium"]


def test_classes_by_hand_and_a_box_without_area_counts_as_wrong() -> None:
    rows = [{"label": 0}, {"label": 1}, {"label": 1, "corners": (9.0, 9.0, 9.0, 20.0)}]
    prepared = FAMILY.prepare(task_of_boxes(prompts=["a {c}"], degenerate="wrong"), boxes_of(rows, NAMES))
    empty = np.array([False, False, True])
    evidence = counts_of([[0.9, 0, 0], [0, 0.8, 0], [0, 0, 0]], [0, 1, 1], empty=empty)
    evidence = {
        name: np.where(empty, -1, column) if column.dtype == int else column for name, column in evidence.items()
    }
    evidence["box"], evidence["right_score"] = np.arange(3), np.where(empty, np.nan, evidence["right_score"])
    scored = FAMILY.score(prepared, RegionsEvidence(evidence))
    assert values(scored) == pytest.approx({"accuracy": 2 / 3, "acc1": 2 / 3, "mean_class_accuracy": 0.75})
    assert scored.metrics["accuracy"].n == 3 and scored.metrics["acc1"].chance == pytest.approx(1 / 3)
    assert scored.warnings[0] == "boxes without area within their picture, counted as wrong: 1"
    assert scored.outcomes["rank_low"].tolist() == [1, 1, 3] and scored.outcomes["prediction"].tolist() == [0, 1, -1]
    assert scored.outcomes["right_score"].tolist()[2] is None


def test_top_5_has_the_chance_of_each_box() -> None:
    rows = [{"candidates": list("abcdefghijk")}, {"candidates": list("abc")}]
    prepared = FAMILY.prepare(task_of_boxes(), boxes_of(rows))
    scores = [[0.5, *np.linspace(1, 0, 10)], [0.5, 1, 0, *[-np.inf] * 8]]
    found = FAMILY.score(prepared, RegionsEvidence(counts_of(scores, [0, 0]))).metrics
    assert found["acc5"].chance == pytest.approx((5 / 11 + 1) / 2) and found["acc5"].value == 0.5  # places 5 and 1


def test_texts_are_lower_cased_once() -> None:
    rows = [{"candidates": ["A Cat", "a cat.", "A DOG"]}, {"candidates": ["a dog", "A cat"]}]
    plain, lower = (FAMILY.prepare(task_of_boxes(lower_case=low), boxes_of(rows)) for low in (False, True))
    assert [text.text for text in lower.texts] == ["a cat", "a cat.", "a dog"]
    assert lower.candidates is not None and lower.candidates.tolist() == [[0, 1, 2], [2, 0, -1]]
    assert [text.text for text in plain.texts] == ["A Cat", "a cat.", "A DOG", "a dog", "A cat"]
    filled = FAMILY.prepare(task_of_boxes(prompts=["A {c}"], lower_case=True), boxes_of([{"label": 0}], ["Cat", "Dog"]))
    assert filled.filled == [["a cat"], ["a dog"]]


# --- units of work ----------------------------------------------------------------------------------------------------


def test_units_hold_every_box_once() -> None:
    image = np.array([2, 0, 0, 2, 2, 1, 4])
    boxes = Boxes([str(n) for n in range(7)], image, np.zeros((7, 4)), np.zeros((6, 2)), labels=image)
    for divide in (by_picture, by_box):
        for most in (1, 2, 3, 9):
            units = divide(boxes, [0, 2, 3, 4, 5], most)
            assert sorted(box for unit in units for each in unit for box in each.boxes) == [0, 1, 2, 3, 4, 6]
            sizes = [len(unit) if divide is by_picture else sum(len(e.boxes) for e in unit) for unit in units]
            assert all(size == most for size in sizes[:-1]) and 0 < sizes[-1] <= most


# --- on pictures ------------------------------------------------------------------------------------------------------


def boards(folder: Path, rows: list[dict[str, Any]], **params: Any) -> Path:
    """Two pictures of stripes and a table of boxes; return the card."""
    board(folder / "data/rgb.png", [RED, GREEN, BLUE, BLUE])
    board(folder / "data/gr.png", [GREEN, RED], (40, 80))
    json_lines(folder / "data/boxes.jsonl", rows)
    source = {"file": "boxes.jsonl", "size": ["width", "height"], **({"label": "label"} if "prompts" in params else {})}
    source |= {} if "prompts" in params else {"true": "true", "false": "false"}
    return card(folder, "boxes", "regions", headline="accuracy", source=source, params=params)


def row(image: str, box: list[float], colour: str, size: tuple[int, int] = (80, 40)) -> dict[str, Any]:
    others = [name for name in NAMES if name != colour]
    named = {"label": colour, "true": colour, "false": others}
    return {"image": image, "bbox": box, "width": size[0], "height": size[1], **named}


ROWS = [
    row("rgb.png", [0, 0, 20, 40], "red"),
    row("rgb.png", [20, 5, 20, 30], "green"),
    row("rgb.png", [41, 0, 39.5, 41], "blue"),  # reaches half a pixel beyond the picture
    row("rgb.png", [25.3, 17.2, 0.07, 0.08], "green"),  # less than a pixel
    row("gr.png", [0, 0, 20, 80], "green", (40, 80)),
    row("gr.png", [22, 10, 10, 50], "red", (40, 80)),
]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"prompts": ["a {c} thing", "{c}"]},
        {"resolution": 64},
        {"lower_case": True, "attention": "value"},
        {"region": "crop"},
        {"region": "crop", "fit": "pad"},
        {"region": "crop", "fit": "squash", "prompts": ["{c}"]},
    ],
)
def test_every_way_names_boxes_of_one_colour(params: dict[str, Any], tmp_path: Path) -> None:
    (record,) = evaluate(colours_model(tmp_path), str(boards(tmp_path, ROWS, **params)), out=None, cache=False)
    assert record.status == "ok", record.reason
    found = record.metrics["accuracy"]
    assert (found.value, found.n, found.clusters) == (1.0, 6, 2)
    assert record.data.seen == {"images": 2, "boxes": 6} | ({"classes": 3} if "prompts" in params else {"texts": 3})
    crop = params.get("region") == "crop"
    assert record.task.scoring == ("crop" if crop else f"roi:{params.get('attention', 'plain')}:projection")


def test_context_and_the_wrong_box_change_the_answer(tmp_path: Path) -> None:
    """A green stripe of 10 of 80 pixels: with a context of 3 widths on each side, red outweighs it."""
    board(tmp_path / "data/rgb.png", [RED, RED, RED, GREEN, RED, RED, RED, RED])
    json_lines(tmp_path / "data/boxes.jsonl", [row("rgb.png", [30, 0, 10, 40], "green")])
    source = {"file": "boxes.jsonl", "true": "true", "false": "false"}
    scores = []
    for context in (0.0, 3.0):
        params = {"region": "crop", "context": context}
        file = card(tmp_path, "boxes", "regions", headline="accuracy", source=source, params=params)
        (record,) = evaluate(colours_model(tmp_path), str(file), out=None, cache=False)
        scores.append(record.metrics["accuracy"].value)
    assert scores == [1.0, 0.0]


def test_a_killed_run_and_one_that_was_not_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of an earlier run are taken; the outcomes hold every box."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file, model = boards(tmp_path, ROWS), colours_model(tmp_path)
    (whole,) = evaluate(model, str(file), out=tmp_path / "a", cache=False, batching=Batching(images=1))
    from goldieval.families import region_counts

    counted, calls = region_counts._counted, []

    def once(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return counted(*arguments)

    monkeypatch.setattr(region_counts, "_counted", once)
    with pytest.raises(KeyboardInterrupt):
        evaluate(model, str(file), out=tmp_path / "b", batching=Batching(images=1))
    calls[:] = [1, 1]
    (again,) = evaluate(model, str(file), out=tmp_path / "b", batching=Batching(images=1))
    assert len(calls) == 3  # one of two pictures is left
    assert again.metrics == whole.metrics
    (written,) = find_records(tmp_path / "b")
    assert read_outcomes(written, read_record(written))["sample_id"].tolist()[-1] == "gr.png#5"


def test_save_images_draws_boxes_with_the_answers(tmp_path: Path) -> None:
    """The list grows with the texts, wrong boxes are dashed in another colour, and a hostile text is only text."""
    long = "A very long description of a thing " * 9 + "<script>\x1b[31m"
    rows = [*ROWS[:1], {**row("rgb.png", [40, 0, 40, 40], "red"), "true": long}, *ROWS[4:]]
    evaluate(colours_model(tmp_path), str(boards(tmp_path, rows)), out=tmp_path / "r", cache=False, save_images=1)
    (drawn,) = (tmp_path / "r").rglob("*.png")
    sheet = np.asarray(Image.open(drawn).convert("RGB")).astype(int)
    assert drawn.name == "0000-rgb.png" and sheet.shape[0] > 200
    found = {colour: int((abs(sheet - colour).sum(axis=2) < 12).sum()) for colour in (RIGHT, WRONG)}
    assert all(count > 200 for count in found.values())
    (file,) = find_records(tmp_path / "r")
    assert len(read_record(file).pictures) == 1


# --- refusals ---------------------------------------------------------------------------------------------------------


REFUSED: list[tuple[list[dict[str, Any]], dict[str, Any], str]] = [
    (
        [row("rgb.png", [5, 5, 0, 9], "red")],
        {},
        "boxes without area within their picture: 1 (rgb.png#0 in rgb.png). Remove them",
    ),
    ([row("rgb.png", [90, 5, 10, 9], "red")], {}, "without area within their picture"),
    ([row("rgb.png", [5, 5, 10, 9], "red", (800, 400))], {}, "rgb.png is 80 x 40 pixels, its boxes are for 800 x 400"),
    (ROWS, {"strata": ["rare"]}, "the data have no group rare; they have small, medium, large"),
    (ROWS, {"prompts": ["{c}"], "class_names": ["red", "green"]}, "2 class names for 3 classes in the data"),
    ([row("rgb.png", [0, 0, 80, 0.05], "red")], {"region": "crop"}, ""),
]


@pytest.mark.parametrize(("rows", "params", "line"), REFUSED)
def test_what_is_refused_in_one_line(
    rows: list[dict[str, Any]], params: dict[str, Any], line: str, tmp_path: Path
) -> None:
    (record,) = evaluate(colours_model(tmp_path), str(boards(tmp_path, rows, **params)), out=None, cache=False)
    assert (record.status == "failed" and line in record.reason) if line else record.status == "ok"
    assert "\n" not in record.reason


@pytest.mark.parametrize("box", [[5, 5, 0, 9], [90, 5, 10, 9], [-9, -9, 9, 9], [5, 5, 1e-9, 9]])
def test_boxes_without_area_count_as_wrong_if_the_card_says_so(box: list[float], tmp_path: Path) -> None:
    file = boards(tmp_path, [*ROWS, row("rgb.png", box, "red")], degenerate="wrong")
    (record,) = evaluate(colours_model(tmp_path), str(file), out=None, cache=False)
    assert record.metrics["accuracy"].n == 7 and record.metrics["accuracy"].value == pytest.approx(6 / 7)
    assert any("counted as wrong: 1" in warning for warning in record.warnings)


def test_boxes_without_area_are_refused_even_where_the_size_is_known_only_from_the_picture(tmp_path: Path) -> None:
    rows = [{**row("rgb.png", [90, 5, 10, 9], "red"), "width": 0}]
    board(tmp_path / "data/rgb.png", [RED, GREEN])
    json_lines(tmp_path / "data/boxes.jsonl", rows)
    source = {"file": "boxes.jsonl", "true": "true", "false": "false"}
    file = card(tmp_path, "boxes", "regions", headline="accuracy", source=source)
    (record,) = evaluate(colours_model(tmp_path), str(file), out=None, cache=False)
    assert record.status == "failed" and "without area within their picture: 1 (rgb.png#0" in record.reason


def test_a_strip_too_long_for_the_transform_is_refused_and_squashed_on_request(tmp_path: Path) -> None:
    board(tmp_path / "data/long.png", [RED], (4000, 4))
    json_lines(tmp_path / "data/boxes.jsonl", [row("long.png", [0, 0, 4000, 1], "red")])
    source = {"file": "boxes.jsonl", "true": "true", "false": "false"}
    reasons = []
    for fit in ("transform", "squash", "pad"):
        params = {"region": "crop", "fit": fit}
        file = card(tmp_path, "boxes", "regions", headline="accuracy", source=source, params=params)
        (record,) = evaluate(colours_model(tmp_path), str(file), out=None, cache=False)
        reasons.append(record.reason)
    assert "4,000 x 1 pixels is too narrow" in reasons[0] and reasons[1:] == ["", ""]


def test_what_prepare_refuses() -> None:
    own, classes = boxes_of([{"candidates": ["a", "b"]}]), boxes_of([{"label": 1}], NAMES)
    for data, params, line in (
        (classes, {}, "the boxes have classes: give params.prompts"),
        (own, {"prompts": ["{c}"]}, "candidate texts of their own"),
        (keep_images(own, np.array([True])), {"strata": ["x"]}, "no group x"),
    ):
        with pytest.raises(TaskError, match=line):
            FAMILY.prepare(task_of_boxes(**params), data)


def test_a_model_without_patch_features_is_told_of_crops(tmp_path: Path) -> None:
    from helpers import toy_model

    file = boards(tmp_path, ROWS)
    ran = goldieval("run", "--model", toy_model(tmp_path), "--tasks", str(file), "--out", str(tmp_path / "r"))
    assert ran.code == 1 and "has no dense(pixels, attention). Use --set region=crop." in ran.out
    ran = goldieval(
        "run",
        "--model",
        toy_model(tmp_path),
        "--tasks",
        str(file),
        "--out",
        str(tmp_path / "r"),
        "--set",
        "region=crop",
    )
    assert ran.code == 0, ran.out + ran.err
    bad = goldieval("run", "--model", "random", "--tasks", str(file), "--set", "region=circle")
    assert bad.code != 0 and "region" in one_line(bad.err)


def test_features_of_zeros_or_nan_fail_the_task(tmp_path: Path) -> None:
    for value in ("0", "float('nan')"):
        spec = colours_model(tmp_path)
        file = tmp_path / "colours_model.py"
        file.write_text(
            file.read_text().replace("return F.avg_pool2d(pixels, 8)", f"return {value} * F.avg_pool2d(pixels, 8)")
        )
        (record,) = evaluate(spec, str(boards(tmp_path, ROWS)), out=None, cache=False)
        assert record.status == "failed" and "hold NaN or infinite values, or are zero" in record.reason
