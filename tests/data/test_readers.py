"""Readers: class folders, and what all readers share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import class_folders, picture
from reader_cases import images, labels_of, parquet, read, refused, source

from goldieval.core.errors import TaskError

pytestmark = pytest.mark.usefixtures("cache")


# Class folders


def test_folder_gives_labels_in_order_of_names_and_relative_ids(tmp_path: Path) -> None:
    class_folders(tmp_path, {"dog": 1, "cat": 2})
    dataset = read(tmp_path, "folder")
    assert dataset.class_names == ["cat", "dog"]
    assert labels_of(dataset) == {"cat/0.png": 0, "cat/1.png": 0, "dog/0.png": 1}
    assert all(image.path == image.id and image.source.open().size == (8, 8) for image in dataset.images)


def test_class_file_gives_the_label_order(tmp_path: Path) -> None:
    class_folders(tmp_path / "test", {"cat": 1, "dog": 1})
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    dataset = read(tmp_path, "folder", folder_name="test", classes="classes.txt")
    assert dataset.class_names == ["dog", "cat"] and labels_of(dataset) == {"test/dog/0.png": 0, "test/cat/0.png": 1}


def test_folder_finds_pictures_below_a_class_and_leaves_other_files(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "deep" / "x.PNG")
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    assert labels_of(read(tmp_path, "folder")) == {"cat/deep/x.PNG": 0}


def test_hidden_folder_is_not_a_class(tmp_path: Path) -> None:
    class_folders(tmp_path, {"cat": 1, ".ipynb_checkpoints": 1})
    assert read(tmp_path, "folder").class_names == ["cat"]


def test_folder_that_the_class_file_lacks_is_refused(tmp_path: Path) -> None:
    class_folders(tmp_path, {"cat": 1, "dog": 1})
    (tmp_path / "classes.txt").write_text("cat\n")
    assert "classes.txt does not name: dog" in refused(tmp_path, "folder", classes="classes.txt")


def test_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    assert "no images found" in refused(tmp_path, "folder")


PLACES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("folder", {"folder_name": "test", "classes": "classes.txt"}, ["test", "classes.txt"]),
    ("table", {"file": "t.csv", "images": "pictures", "classes": "c.txt"}, ["t.csv", "pictures", "c.txt"]),
    ("coco", {"annotations": "a.json", "images": "val2017"}, ["a.json", "val2017"]),
    ("webdataset", {"split": "val"}, ["val/nshards.txt"]),
    ("parquet", {"classes": "c.txt"}, ["c.txt"]),
    ("parquet", {"files": "data/*.parquet"}, ["data/*.parquet"]),
    ("relevance", {"file": "t.jsonl", "gallery": "g.txt"}, ["t.jsonl", "g.txt"]),
]


# What all readers share


@pytest.mark.parametrize(("reader", "options", "names"), PLACES)
def test_missing_names_all_that_a_folder_lacks(
    tmp_path: Path, reader: str, options: dict[str, Any], names: list[str]
) -> None:
    assert source(reader, **options).missing(tmp_path) == names
    assert source(reader, **options).missing(tmp_path / "nowhere") == names


@pytest.mark.parametrize(
    ("reader", "options"),
    [
        ("folder", {"folder_name": "../x"}),
        ("folder", {"classes": "../x"}),
        ("table", {"file": "../x.csv"}),
        ("table", {"file": "/etc/x.csv"}),
        ("table", {"file": "t.csv", "images": "../x"}),
        ("coco", {"annotations": "../x", "images": "."}),
        ("coco", {"annotations": "a.json", "images": "/etc"}),
        ("webdataset", {"split": "../x"}),
        ("parquet", {"classes": "../x"}),
        ("relevance", {"file": "t.csv", "gallery": "../x"}),
    ],
)
def test_card_cannot_name_files_outside_its_folder(tmp_path: Path, reader: str, options: dict[str, Any]) -> None:
    with pytest.raises(TaskError, match="would leave its folder"):
        source(reader, **options).missing(tmp_path)


def test_parquet_glob_cannot_leave_the_folder(tmp_path: Path) -> None:
    parquet(tmp_path / "x.parquet", {"image": images(0), "label": [0]})
    (tmp_path / "data").mkdir()
    assert "would leave its folder" in refused(tmp_path / "data", "parquet", files="../*.parquet", label="label")


def test_source_id_cannot_leave_the_data_root(tmp_path: Path) -> None:
    for id in ("../x", "/etc", "a/../../b", "a/..", ".", "..", ".hidden", "a//b", "a/", "a\\b", "a\0", "a\n"):
        with pytest.raises(ValueError, match="is not a folder below the data root"):
            source("folder", path="", id=id)
    assert source("folder", path="", id="coco/v1.0").folder(tmp_path, tmp_path) == tmp_path / "coco/v1.0"


def test_how_to_get_is_a_command_where_there_is_one(tmp_path: Path) -> None:
    hub = source("webdataset", path="", id="x", hub="org/name", revision="abc")
    assert hub.how_to_get(tmp_path, "mine") == f"goldieval data get mine --data-dir {tmp_path.parent}"
    assert source("folder", manual="ask the authors").how_to_get(tmp_path, "mine") == "ask the authors"
    assert str(tmp_path) in source("folder").how_to_get(tmp_path, "mine")
