"""Boxes in tables and in COCO's and LVIS's files: what is read, and what is refused with file and row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import json_lines, picture
from reader_cases import parquet, read, refused, source

from goldieval.core.errors import TaskError
from goldieval.data.box_rows import corners_of
from goldieval.data.boxes import clipped, is_empty
from goldieval.data.subset import keep_images, limited

TEXTS = {"file": "t.jsonl", "true": "pos", "false": "neg"}
ROW = {"image": "a.png", "bbox": [1, 2, 3, 4.5], "pos": ["A cat."], "neg": ["A dog.", "A cow."]}


def table(folder: Path, *changes: dict[str, Any]) -> Path:
    picture(folder / "a.png"), picture(folder / "b.png", 1)
    json_lines(folder / "t.jsonl", [ROW | change for change in changes])
    return folder


# --- tables -----------------------------------------------------------------------------------------------------------


def test_candidates_of_each_box_and_every_text_once(tmp_path: Path) -> None:
    folder = table(tmp_path, {}, {"image": "b.png", "neg": "A cow."}, {"pos": "A dog.", "neg": ["A cat."]})
    data = read(folder, "boxes", **TEXTS)
    assert data.boxes is not None and data.boxes.candidates is not None and data.boxes.labels is None
    assert [image.id for image in data.images] == ["a.png", "b.png"] and data.boxes.image.tolist() == [0, 1, 0]
    assert [text.text for text in data.texts] == ["A cat.", "A dog.", "A cow."]
    assert data.boxes.candidates.tolist() == [[0, 1, 2], [0, 2, -1], [1, 0, -1]]
    assert data.boxes.corners[0].tolist() == [1, 2, 4, 6.5] and data.boxes.ids == ["a.png#0", "b.png#1", "a.png#2"]
    assert data.boxes.shown_candidates.tolist() == [3, 2, 2]
    assert {name: mask.sum() for name, mask in data.strata.items()} == {"small": 3, "medium": 0, "large": 0}


def test_classes_four_columns_two_corners_and_groups(tmp_path: Path) -> None:
    picture(tmp_path / "img/a.png")
    lines = "image,x1,y1,x2,y2,name,w,h,kind,id\na.png,0,1,50,41,dog,8,9,Very Rare,7\na.png,1,1,98,99.5,cat,8,9,x,8\n"
    (tmp_path / "t.csv").write_text(lines)
    given = {"file": "t.csv", "images": "img", "box": ["x1", "y1", "x2", "y2"], "format": "xyxy", "label": "name"}
    data = read(tmp_path, "boxes", **given, size=["w", "h"], groups=["kind"], box_id="id")
    assert data.boxes is not None and data.boxes.labels is not None
    assert data.class_names == ["cat", "dog"] and data.boxes.labels.tolist() == [1, 0] and data.texts == []
    assert data.boxes.corners.tolist() == [[0, 1, 50, 41], [1, 1, 98, 99.5]] and data.boxes.ids == ["7", "8"]
    assert data.boxes.sizes.tolist() == [[8, 9]]
    assert {name: mask.tolist() for name, mask in data.strata.items()} == {
        "small": [False, False], "medium": [True, False], "large": [False, True],
        "very_rare": [True, False], "x": [False, True],
    }  # fmt: skip


def test_parquet_holds_pictures_and_lists(tmp_path: Path) -> None:
    from reader_cases import images

    columns = {"image": images(0, 1), "bbox": [[0.0, 0, 3, 3], [1.0, 1, 2, 2]], "label": ["cat", "dog"]}
    parquet(tmp_path / "d" / "t.parquet", columns)
    data = read(tmp_path, "boxes", file="d/*.parquet", label="label")
    assert data.boxes is not None and data.boxes.corners.tolist() == [[0, 0, 3, 3], [1, 1, 3, 3]]
    assert [image.source.open().size for image in data.images] == [(8, 8), (8, 8)]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"bbox": [1, 2, -3, 4]}, "has a negative width or height"),
        ({"bbox": [1, 2, 3]}, "should be four finite numbers, but is [1, 2, 3]"),
        ({"bbox": [1, 2, 3, "NaN"]}, "should be four finite numbers"),
        ({"bbox": [1, 2, 3, None]}, "should be four finite numbers"),
        ({"bbox": [1, 2, 3, True]}, "should be four finite numbers"),
        ({"bbox": [1, 2, 3, 10**400]}, "should be four finite numbers"),
        ({"bbox": "1,2,3,4"}, "'bbox' should be a list of four numbers, but is '1,2,3,4'"),
        ({"bbox": [0.1, 0.2, 0.3, 0.4]}, "boxes must be in pixels, not in fractions"),
        ({"neg": []}, "'neg' holds no text: there is nothing to choose from"),
        ({"pos": ["a", "b"]}, "'pos' should hold one text, but holds 2"),
        ({"neg": ["a", " "]}, "(number 2 of its list)"),
        ({"image": "../a.png"}, "t.jsonl:1"),
    ],
)
def test_a_row_that_is_no_box_is_refused(change: dict[str, Any], line: str, tmp_path: Path) -> None:
    assert line in refused(table(tmp_path, change), "boxes", **TEXTS)


def test_rows_that_disagree_are_refused(tmp_path: Path) -> None:
    sizes = {"size": ["w", "h"], "box_id": "id"}
    one, other = {"w": 8, "h": 8, "id": 1}, {"w": 8, "h": 9, "id": 2}
    found = refused(table(tmp_path, one, other), "boxes", **TEXTS, **sizes)
    assert "t.jsonl:2: a.png is 8 x 9 pixels here, but 8 x 8 in another row" in found
    assert "duplicate box ids: 1" in refused(table(tmp_path, one, one), "boxes", **TEXTS, **sizes)
    assert "'8.5' x '8' is not the size" in refused(table(tmp_path, one | {"w": 8.5}), "boxes", **TEXTS, **sizes)
    assert "no boxes found" in refused(table(tmp_path), "boxes", **TEXTS)


def test_a_source_has_classes_or_texts() -> None:
    for options, line in (
        ({}, "give either label"),
        ({"label": "a", "true": "b", "false": "c"}, "give either label"),
        ({"true": "b"}, "give either label"),
        ({"label": "a", "box": ["x", "y"]}, "names 2 columns"),
        ({"label": "a", "size": ["w"]}, "width and that of the height"),
    ):
        with pytest.raises(ValueError, match=line):
            source("boxes", file="t.jsonl", **options)


def test_numbers_as_labels_need_names(tmp_path: Path) -> None:
    folder = table(tmp_path, {"c": 0}, {"c": 1})
    assert "name a file of class names in `classes`" in refused(folder, "boxes", file="t.jsonl", label="c")
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    data = read(folder, "boxes", file="t.jsonl", label="c", classes="names.txt")
    assert data.class_names == ["cat", "dog"] and data.boxes is not None and data.boxes.labels is not None
    table(tmp_path, {"c": 2})
    assert "1 labels outside 0..1" in refused(folder, "boxes", file="t.jsonl", label="c", classes="names.txt")


# --- COCO and LVIS ----------------------------------------------------------------------------------------------------


def coco(folder: Path, **changes: Any) -> Path:
    content: dict[str, Any] = {
        "images": [
            {"id": 5, "file_name": "b.png", "width": 80, "height": 60},
            {"id": 3, "file_name": "a.png", "width": 80, "height": 60},
            {"id": 9, "file_name": "c.png", "width": 80, "height": 60},
        ],
        "annotations": [
            {"id": 1, "image_id": 5, "category_id": 90, "bbox": [0, 0, 80, 60], "iscrowd": 0},
            {"id": 2, "image_id": 3, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 1},
            {"id": 4, "image_id": 5, "category_id": 1, "bbox": [5, 5, 40, 40]},
        ],
        "categories": [{"id": 90, "name": "traffic_light"}, {"id": 1, "name": "person"}],
    } | changes  # fmt: skip
    (folder / "i.json").write_text(json.dumps(content))
    return folder


def test_categories_in_the_order_of_their_ids_and_only_pictures_with_boxes(tmp_path: Path) -> None:
    data = read(coco(tmp_path), "coco-boxes", annotations="i.json")
    assert data.class_names == ["person", "traffic light"] and [image.id for image in data.images] == ["a.png", "b.png"]
    assert data.boxes is not None and data.boxes.labels is not None
    assert data.boxes.labels.tolist() == [0, 1, 0] and data.boxes.ids == ["2", "1", "4"]
    assert data.boxes.corners.tolist() == [[1, 2, 4, 6], [0, 0, 80, 60], [5, 5, 45, 45]]
    assert {name: mask.tolist() for name, mask in data.strata.items()} == {
        "small": [True, False, False], "medium": [False, True, True], "large": [False, False, False],
    }  # fmt: skip
    alone = read(coco(tmp_path), "coco-boxes", annotations="i.json", crowd=False)
    assert alone.boxes is not None and len(alone.boxes) == 2
    assert alone.notes == ["left out: 1 boxes around groups (iscrowd)"]


def test_lvis_names_pictures_by_address_and_classes_by_frequency(tmp_path: Path) -> None:
    images = [{"id": 5, "coco_url": "http://images.cocodataset.org/train2017/5.jpg", "width": 80, "height": 60}]
    categories = [{"id": 1, "name": "bow_(weapon)", "frequency": "r"}, {"id": 2, "name": "cat", "frequency": "f"}]
    boxes = [{"id": n, "image_id": 5, "category_id": 1 + n % 2, "bbox": [0, 0, 50, 50]} for n in range(3)]
    folder = coco(tmp_path, images=images, categories=categories, annotations=boxes)
    data = read(folder, "coco-boxes", annotations="i.json")
    assert data.class_names == ["bow (weapon)", "cat"] and data.images[0].id == "train2017/5.jpg"
    assert {name: int(mask.sum()) for name, mask in data.strata.items()} == {
        "small": 0, "medium": 3, "large": 0, "rare": 2, "frequent": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"categories": []}, "the list of categories is empty"),
        ({"categories": [{"id": 1, "name": "a"}, {"id": "1", "name": "b"}]}, "two categories have the same id"),
        ({"categories": [{"id": 1, "name": "a"}]}, "annotation 1: category 90 is not among the categories"),
        ({"annotations": [{"id": 1, "image_id": 5, "category_id": 1}]}, "'bbox' should be a list"),
        ({"annotations": [{"image_id": 5, "category_id": 1, "bbox": [1, 2, 3, 4]}]}, "a box of image 5: 'id'"),
        ({"images": [{"id": 5, "file_name": "b.png", "width": "80", "height": 60}], "annotations": []}, "'80' x '60'"),
        ({"images": [{"id": 5, "width": 80, "height": 60}], "annotations": []}, "file_name"),
        ({"images": [{"id": 5, "coco_url": "x/../../a.jpg"}], "annotations": []}, "i.json: image 5"),
        ({"annotations": []}, "no boxes found"),
    ],
)
def test_a_file_that_is_no_instance_file_is_refused(changes: dict[str, Any], line: str, tmp_path: Path) -> None:
    found = refused(coco(tmp_path, **changes), "coco-boxes", annotations="i.json")
    assert line in found or line.replace("'", "") in found


def test_a_part_of_the_file_is_refused(tmp_path: Path) -> None:
    found = refused(coco(tmp_path), "coco-boxes", annotations="i.json", listed=5000)
    assert "i.json lists 3 pictures instead of 5,000: a partial copy gives other results" in found
    assert read(coco(tmp_path), "coco-boxes", annotations="i.json", listed=3).boxes is not None


# --- parts of a data set ----------------------------------------------------------------------------------------------


def test_a_subset_keeps_the_boxes_of_its_pictures_and_their_texts(tmp_path: Path) -> None:
    folder = table(
        tmp_path, {}, {"image": "b.png", "pos": "x", "neg": ["A cow.", "y"]}, {"pos": "A dog.", "neg": ["z"]}
    )
    whole = read(folder, "boxes", **TEXTS)
    part = keep_images(whole, np.array([False, True]))
    assert part.boxes is not None and part.boxes.ids == ["b.png#1"] and part.boxes.image.tolist() == [0]
    assert part.boxes.candidates is not None
    assert [part.texts[row].text for row in part.boxes.candidates[0]] == ["x", "A cow.", "y"] and len(part.texts) == 3
    assert all(len(mask) == 1 for mask in part.strata.values())
    first = keep_images(whole, np.array([True, False]))
    assert first.boxes is not None and first.boxes.candidates is not None
    texts = [[first.texts[row].text for row in rows if row >= 0] for rows in first.boxes.candidates]
    assert texts == [["A cat.", "A dog.", "A cow."], ["A dog.", "z"]]
    assert limited(whole, 1).boxes is not None and limited(whole, 2) is whole
    data = read(coco(tmp_path), "coco-boxes", annotations="i.json")
    kept = keep_images(data, np.array([True, False])).boxes
    assert kept is not None and kept.labels is not None and kept.labels.tolist() == [0] and kept.ids == ["2"]


def test_corners_and_areas() -> None:
    assert corners_of("", ["1", 2.0, 3, 4], "xywh") == (1, 2, 4, 6) and corners_of("", [1, 2, 3, 4], "xyxy") == (
        1,
        2,
        3,
        4,
    )
    with pytest.raises(TaskError, match="here: the box"):
        corners_of("here", [3, 2, 1, 4], "xyxy")
    boxes = np.array([[-5.0, -5, -1, 5], [0, 0, 3, 3], [9, 9, 20, 20], [10, 0, 20, 5], [2, 2, 2, 9]])
    assert is_empty(clipped(boxes, np.array([10, 10]))).tolist() == [True, False, False, True, True]


def test_a_preview_shows_boxes_with_their_numbers(tmp_path: Path) -> None:
    from helpers import card

    from goldieval.data.manage.preview.facts import preview
    from goldieval.data.manage.preview.texts import TextReader
    from goldieval.data.manage.show_samples import sample_lines
    from goldieval.report.preview_page import render
    from goldieval.tasks.card import load_card

    table(tmp_path / "data", {"neg": "x"}, {"bbox": [0, 0, 8, 8], "pos": "<em>"}, {"image": "b.png"})
    task = load_card(card(tmp_path, "boxes", "regions", headline="accuracy", source=TEXTS, params={}))
    words = TextReader("words", 4, lambda texts: [len(text.split()) for text in texts])
    found = preview(task, tmp_path, 9, words, 2)
    assert [[text.text for text in sample.texts] for sample in found.samples] == [
        ["1: A cat.", "2: <em>"],
        ["1: A cat."],
    ]
    assert found.samples[0].boxes[1] == ([0, 0, 8, 8], "<em>") and found.counts["boxes"] == 3
    page = render(found)
    assert page.count("<img") == 4 and "<em>" not in page and "2: &lt;em&gt;" in page
    lines = sample_lines(found.prepared.dataset, None)
    assert lines == ['  a.png (8 x 8): 2 boxes: "A cat.", "<em>"', '  b.png (8 x 8): 1 boxes: "A cat."']
