"""Readers of choices: lists of items, several true captions, minimum votes, and images in Parquet files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import png_bytes
from reader_cases import images, parquet, read, refused

pytestmark = pytest.mark.usefixtures("cache")

ITEM = {"filename": "a.png", "caption": "a cat", "negative_caption": "a dog"}


def write(folder: Path, name: str, content: Any) -> None:
    (folder / name).write_text(json.dumps(content))


def test_a_list_of_items_has_the_same_queries_as_a_mapping(folder: Path) -> None:
    items = [ITEM, ITEM | {"filename": "b.png"}]
    write(folder, "list.json", items)
    write(folder, "map.json", {str(number): item for number, item in enumerate(items)})
    (folder / "lines.jsonl").write_text("\n".join(map(json.dumps, items)))
    found = [read(folder, "contrast", files=[name]) for name in ("list.json", "map.json", "lines.jsonl")]
    assert [text.id for text in found[0].texts] == ["list-0-0", "list-0-1", "list-1-0", "list-1-1"]
    for dataset in found:
        assert np.array_equal(dataset.choices, [[[0, 0], [0, 1]], [[1, 2], [1, 3]]])
        assert [image.id for image in dataset.images] == ["a.png", "b.png"]


def test_each_true_caption_competes_with_the_false_ones(folder: Path) -> None:
    write(folder, "pp.json", [ITEM | {"caption2": "one cat"}])
    dataset = read(folder, "contrast", files=["pp.json"], true=["caption", "caption2"])
    assert [text.text for text in dataset.texts] == ["a cat", "one cat", "a dog"]
    assert np.array_equal(dataset.choices, [[[0, 0], [0, 2]], [[0, 1], [0, 2]]])
    assert dataset.strata["pp"].tolist() == [True, True]


def test_items_below_a_minimum_are_left_out_and_counted(folder: Path) -> None:
    write(folder, "v.json", {"x": ITEM | {"votes": {"yes": 3}}, "y": ITEM | {"votes": {"yes": 1}}})
    dataset = read(folder, "contrast", files=["v.json"], at_least={"votes.yes": 2})
    assert len(dataset.choices) == 1 and dataset.notes == ["left out: 1 items with votes.yes below 2"]
    assert "no column 'votes.no'" in refused(folder, "contrast", files=["v.json"], at_least={"votes.no": 2})
    write(folder, "v.json", {"x": ITEM | {"votes": "three"}})
    assert "'votes' should be a number" in refused(folder, "contrast", files=["v.json"], at_least={"votes": 2})
    (folder / "v.csv").write_text("filename,caption,negative_caption,votes\na.png,x,y,3\na.png,x,z,1\n")
    dataset = read(folder, "contrast", files=["v.csv"], at_least={"votes": 2})
    assert len(dataset.choices) == 1  # a number in a table of texts


@pytest.mark.parametrize("content", ["7", "[7]", '{"a": 7}', '[{"filename": "a.png"}]', '[{"filename": null}]'])
def test_items_that_are_none_are_refused(folder: Path, content: str) -> None:
    (folder / "x.json").write_text(content)
    assert "x.json" in refused(folder, "contrast", files=["x.json"])


def test_images_in_parquet_files_are_read(tmp_path: Path) -> None:
    columns = {"image": images(0, 1), "caption": ["a cat", "a dog"], "negative_caption": ["a dog", "a cat"]}
    parquet(tmp_path / "data/test-0.parquet", columns)
    dataset = read(tmp_path, "contrast", annotations="data", files=["test-*.parquet"], image="image")
    assert [image.source.read() for image in dataset.images] == [png_bytes(0), png_bytes(1)]
    assert list(dataset.strata) == ["test"] and len(dataset.choices) == 2


def test_pairs_in_parquet_files_are_read(tmp_path: Path) -> None:
    pair = {"image_0": images(0, 2), "image_1": images(1, 3)}
    parquet(tmp_path / "t.parquet", {"id": [5, 6], "caption_0": ["a b", "c d"], "caption_1": ["b a", "d c"]} | pair)
    dataset = read(tmp_path, "crossed", file="t.parquet")
    assert [image.id for image in dataset.images] == ["5-0", "5-1", "6-0", "6-1"]
    assert [image.source.read() for image in dataset.images] == [png_bytes(seed) for seed in range(4)]
    assert "no column" in refused(tmp_path, "crossed", file="t.parquet", pair=["image_0", "image_9"])


def test_rows_that_are_lists_have_positions_as_columns(folder: Path) -> None:
    write(folder, "m.json", [["http://x.example/a.png", "a b", "http://x.example/b.png", "b a"]])
    options = {"pair": ["0", "2"], "captions": ["1", "3"], "example": "", "prefix": "http://x.example/"}
    dataset = read(folder, "crossed", file="m.json", **options)
    assert [image.source.open().size for image in dataset.images] == [(8, 8), (8, 8)]
    assert [text.text for text in dataset.texts] == ["a b", "b a"]
