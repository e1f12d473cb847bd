"""Train and test split of masks in one card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import json_lines, one_line, picture
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from goldieval.core.errors import TaskError
from goldieval.data.readers import AnySource
from goldieval.data.samples import Dataset
from goldieval.data.source import Source

SOURCE: TypeAdapter[Source] = TypeAdapter(AnySource)


def source(reader: str = "masks", **options: Any) -> Source:
    return SOURCE.validate_python({"reader": reader, "path": "."} | options)


def masked(folder: Path, image: str, mask: str, value: int = 1) -> None:
    picture(folder / image, value)
    file = folder / mask
    file.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(folder / image) as shown:
        Image.fromarray(np.full((shown.height, shown.width), value, dtype=np.uint8)).save(file)


@pytest.fixture
def ade(tmp_path: Path) -> Path:
    for split, count in (("validation", 2), ("training", 3)):
        for row in range(count):
            masked(tmp_path, f"images/{split}/p{row}.png", f"annotations/{split}/p{row}.png", row + 1)
    return tmp_path


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    for row in range(6):
        masked(tmp_path, f"JPEGImages/p{row}.png", f"{'ClassAug' if row > 3 else 'Class'}/p{row}.png", row)
    for name, rows in (("val", "01"), ("train", "23"), ("aug", "45"), ("all", "12")):
        (tmp_path / f"{name}.txt").write_text("".join(f"p{row}\n" for row in rows))
    (tmp_path / "empty").mkdir()
    return tmp_path


def trained(dataset: Dataset) -> list[str]:
    assert dataset.train is not None and dataset.masks is not None
    assert len(dataset.train) == len(dataset.images) == len(dataset.masks)
    return [image.id for image, train in zip(dataset.images, dataset.train, strict=True) if train]


ADE: dict[str, Any] = {"images": "images/validation", "masks": "annotations/validation", "reduce_zero_label": True}
ADE_TRAIN: dict[str, Any] = {"images": "images/training", "masks": "annotations/training"}
VOC: dict[str, Any] = {"images": "JPEGImages", "masks": "Class", "names": "val.txt"}


def test_two_folders_of_each_split(ade: Path) -> None:
    card = source(**ADE, train=ADE_TRAIN)
    dataset = card.read(ade)
    assert trained(dataset) == [f"images/training/p{row}.png" for row in range(3)]
    assert [image.id for image in dataset.images][:2] == ["images/validation/p0.png", "images/validation/p1.png"]
    assert dataset.masks is not None and [int(mask.read()[0, 0]) for mask in dataset.masks] == [0, 1, 0, 1, 2]
    assert card.needs() == [*list(ADE.values())[:2], *ADE_TRAIN.values()]
    assert card.missing(ade / "images") == card.needs()


def test_without_a_train_split_nothing_is_different(ade: Path) -> None:
    dataset = source(**ADE).read(ade)
    assert dataset.train is None and len(dataset.images) == 2
    assert source(**ADE).model_dump(exclude_defaults=True).keys() == {"reader", "path", *ADE}


def test_lists_of_names_and_several_parts(voc: Path) -> None:
    assert trained(source(**VOC, train={"names": "train.txt"}).read(voc)) == ["JPEGImages/p2.png", "JPEGImages/p3.png"]
    augmented = [{"names": "train.txt"}, {"names": "aug.txt", "masks": "ClassAug"}]
    dataset = source(**VOC, train=augmented).read(voc)
    assert trained(dataset) == [f"JPEGImages/p{row}.png" for row in range(2, 6)]
    assert dataset.masks is not None and [int(mask.read()[0, 0]) for mask in dataset.masks] == list(range(6))


@pytest.mark.parametrize(
    ("train", "line"),
    [
        ({"names": "all.txt"}, "1 images are both trained and tested on: JPEGImages/p1.png"),
        ({"names": "all.txt", "images": "./JPEGImages"}, "1 images are both trained and tested on: JPEGImages/p1.png"),
        ([{"names": "train.txt"}] * 2, "2 images are in several parts of source.train: JPEGImages/p2.png"),
        ({"names": "aug.txt"}, "2 of 2 images have no mask"),
        ({"names": "none.txt"}, "none.txt"),
        ({"images": "empty", "names": ""}, "empty holds no images"),
        ({"images": "../elsewhere"}, "elsewhere"),
    ],
)
def test_wrong_train_splits_are_one_line(voc: Path, train: Any, line: str) -> None:
    with pytest.raises(TaskError) as caught:
        source(**VOC, train=train).read(voc)
    assert line in one_line(str(caught.value))


@pytest.mark.parametrize("train", [{}, [{}], {"image": "x"}, "train", {"images": 3}])
def test_a_train_split_that_says_nothing_is_no_card(train: Any) -> None:
    with pytest.raises(ValidationError, match="train"):
        source(**VOC, train=train)


def test_a_train_split_is_part_of_what_is_measured() -> None:
    """A key that repeats the reader's default still differs from the test split's own."""
    trains: list[dict[str, Any]] = [{"images": "a"}, {"images": "a", "mask_suffix": ".png"}]
    dumped = [source(**VOC, mask_suffix="_gt.png", train=train).model_dump(exclude_defaults=True) for train in trains]
    assert dumped[0] != dumped[1]


def test_two_tables(voc: Path) -> None:
    for name, rows in (("test", (0, 1)), ("train", (2, 3))):
        rows_ = [{"image": f"JPEGImages/p{row}.png", "mask": f"Class/p{row}.png"} for row in rows]
        json_lines(voc / f"{name}.jsonl", rows_)
    dataset = source(file="test.jsonl", train={"file": "train.jsonl"}).read(voc)
    assert trained(dataset) == ["JPEGImages/p2.png", "JPEGImages/p3.png"]


def annotated(folder: Path, split: str, rows: range, names: tuple[str, str] = ("cat", "dog")) -> None:
    square = [[0, 0, 8, 0, 8, 8, 0, 8]]
    images = [{"id": row, "file_name": f"{row}.png", "height": 8, "width": 8} for row in rows]
    entries = [{"id": row, "image_id": row, "category_id": 1 + row % 2, "segmentation": square} for row in rows]
    categories = [{"id": number, "name": name} for number, name in enumerate(names, start=1)]
    content = {"images": images, "annotations": entries, "categories": categories}
    (folder / f"{split}.json").write_text(json.dumps(content))


COCO: dict[str, Any] = {
    "annotations": "val.json",
    "images": "val",
    "train": {"annotations": "train.json", "images": "train"},
}


def test_coco_files_of_each_split(tmp_path: Path) -> None:
    annotated(tmp_path, "val", range(2))
    annotated(tmp_path, "train", range(3))
    dataset = source("coco-masks", **COCO).read(tmp_path)
    assert trained(dataset) == [f"train/{row}.png" for row in range(3)] and dataset.class_names == ["cat", "dog"]
    assert dataset.masks is not None and [int(mask.read()[0, 0]) for mask in dataset.masks] == [0, 1, 0, 1, 0]
    assert source("coco-masks", **COCO).needs() == ["val.json", "val", "train.json", "train"]


def test_coco_files_of_other_categories_are_refused(tmp_path: Path) -> None:
    annotated(tmp_path, "val", range(2))
    annotated(tmp_path, "train", range(2), ("dog", "cat"))
    with pytest.raises(TaskError, match=r"train\.json has other categories than val\.json"):
        source("coco-masks", **COCO).read(tmp_path)
