"""Every reader on small real files in its format: its result, and one line for each kind of error."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import class_folders, json_lines, picture, png_bytes, tar
from pydantic import TypeAdapter

from goldieval.core.errors import TaskError
from goldieval.data.readers import AnySource
from goldieval.data.samples import Dataset
from goldieval.data.source import Source

SOURCE: TypeAdapter[Source] = TypeAdapter(AnySource)

# Uneven captions: three of one picture, one of the next, two of the last.
CAPTIONS = {"a.png": ["one", "two", "three"], "b.png": ["four"], "c.png": ["five", "six"]}


def source(reader: str, **options: Any) -> Source:
    return SOURCE.validate_python({"reader": reader, "path": "."} | options)


def read(folder: Path, reader: str, **options: Any) -> Dataset:
    return source(reader, **options).read(folder)


def refused(folder: Path, reader: str, **options: Any) -> str:
    """Return the error line with which a reader refuses its files."""
    with pytest.raises(TaskError) as caught:
        read(folder, reader, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def captions_of(dataset: Dataset) -> dict[str, list[str]]:
    """Return texts by the id of the image that they were written for."""
    assert dataset.owner is not None and dataset.positives is not None
    assert dataset.positives.tolist() == [[row, owner] for row, owner in enumerate(dataset.owner)]
    found: dict[str, list[str]] = {image.id: [] for image in dataset.images}
    for text, owner in zip(dataset.texts, dataset.owner, strict=True):
        found[dataset.images[owner].id].append(text.text)
    return found


def labels_of(dataset: Dataset) -> dict[str, int]:
    assert dataset.labels is not None
    return {image.id: int(label) for image, label in zip(dataset.images, dataset.labels, strict=True)}


def texts_of(dataset: Dataset) -> dict[str, str]:
    return {text.id: text.text for text in dataset.texts}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, a.png to c.png."""
    for seed, name in enumerate(CAPTIONS):
        picture(tmp_path / name, seed)
    return tmp_path


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


# Tables


def _csv(file: Path, rows: list[dict[str, Any]], separator: str = ",", encoding: str = "utf-8") -> None:
    lines = [separator.join(rows[0])] + [separator.join(map(str, row.values())) for row in rows]
    file.write_text("\n".join(lines) + "\n", encoding=encoding)


def _tsv(file: Path, rows: list[dict[str, Any]]) -> None:
    _csv(file, rows, "\t")


def _csv_bom(file: Path, rows: list[dict[str, Any]]) -> None:
    _csv(file, rows, encoding="utf-8-sig")


def _json_list(file: Path, rows: list[dict[str, Any]]) -> None:
    file.write_text(json.dumps(rows))


FORMATS: list[tuple[str, Callable[[Path, list[dict[str, Any]]], Any]]] = [
    ("t.csv", _csv),
    ("bom.csv", _csv_bom),
    ("t.tsv", _tsv),
    ("t.jsonl", json_lines),
    ("t.json", _json_list),
]


@pytest.mark.parametrize(("file", "write"), FORMATS)
def test_table_of_single_captions_joins_those_of_an_image(folder: Path, file: str, write: Callable[..., Any]) -> None:
    write(folder / file, [{"image": name, "caption": text} for name, texts in CAPTIONS.items() for text in texts])
    dataset = read(folder, "table", file=file, caption="caption")
    assert captions_of(dataset) == CAPTIONS
    assert [text.id.partition("#")[0] for text in dataset.texts][:4] == ["a.png", "a.png", "a.png", "b.png"]
    assert dataset.images[0].source.open().size == (8, 8)


@pytest.mark.parametrize(("file", "write"), FORMATS)
def test_table_of_labels_takes_names_and_indices(folder: Path, file: str, write: Callable[..., Any]) -> None:
    (folder / "classes.txt").write_text("dog\ncat\n")
    write(folder / file, [{"image": "a.png", "label": "cat"}, {"image": "b.png", "label": 0}])
    dataset = read(folder, "table", file=file, label="label", classes="classes.txt")
    assert labels_of(dataset) == {"a.png": 1, "b.png": 0} and dataset.class_names == ["dog", "cat"]


@pytest.mark.parametrize("file", ["t.jsonl", "t.json"])
def test_table_of_caption_lists_with_their_ids(folder: Path, file: str) -> None:
    rows = [{"image": "a.png", "captions": ["x", "y"], "ids": [7, 9]}, {"image": "b.png", "captions": ["z"], "ids": 8}]
    dict(FORMATS)[file](folder / file, rows)
    dataset = read(folder, "table", file=file, caption="captions", caption_id="ids")
    assert captions_of(dataset) == {"a.png": ["x", "y"], "b.png": ["z"]}
    assert texts_of(dataset) == {"7": "x", "9": "y", "8": "z"}


def test_quoted_csv_keeps_commas_and_line_breaks(folder: Path) -> None:
    (folder / "t.csv").write_text('image,caption\na.png,"a dog, and\na ""cat"""\n')
    assert captions_of(read(folder, "table", file="t.csv", caption="caption")) == {"a.png": ['a dog, and\na "cat"']}


def test_table_ids_do_not_depend_on_the_order_of_rows(folder: Path) -> None:
    rows = [
        {"image": name, "caption": text, "id": f"{name}-{text}", "key": name[0]}
        for name, texts in CAPTIONS.items()
        for text in texts
    ]
    options = {"file": "t.jsonl", "caption": "caption", "caption_id": "id", "image_id": "key"}
    json_lines(folder / "t.jsonl", rows)
    first = read(folder, "table", **options)
    random.Random(0).shuffle(rows)
    json_lines(folder / "t.jsonl", rows)
    again = read(folder, "table", **options)
    assert texts_of(first) == texts_of(again) == {row["id"]: row["caption"] for row in rows}
    assert {image.id for image in again.images} == {"a", "b", "c"}
    assert {image.id: image.path for image in first.images} == {image.id: image.path for image in again.images}


def test_table_without_caption_ids_names_a_caption_the_same_in_any_order(folder: Path) -> None:
    rows = [{"image": name, "caption": text} for name, texts in CAPTIONS.items() for text in texts]
    json_lines(folder / "t.jsonl", rows)
    first = texts_of(read(folder, "table", file="t.jsonl", caption="caption"))
    json_lines(folder / "t.jsonl", rows[::-1])
    assert texts_of(read(folder, "table", file="t.jsonl", caption="caption")) == first


def test_table_of_ids_needs_no_pictures(tmp_path: Path) -> None:
    json_lines(tmp_path / "t.jsonl", [{"image": "any id", "caption": "x"}])
    dataset = read(tmp_path, "table", file="t.jsonl", caption="caption", pictures=False)
    assert [(image.id, image.path) for image in dataset.images] == [("any id", "")]
    with pytest.raises(OSError, match="embeddings:FOLDER"):
        dataset.images[0].source.open()


@pytest.mark.parametrize("name", ["../x.png", "/etc/hostname", "deep/../../x.png"])
@pytest.mark.parametrize("images", [".", "pictures"])
def test_picture_outside_its_folder_is_refused(tmp_path: Path, name: str, images: str) -> None:
    json_lines(tmp_path / "t.jsonl", [{"image": name, "label": 0}])
    assert "would leave its folder" in refused(tmp_path, "table", file="t.jsonl", label="label", images=images)


@pytest.mark.parametrize(
    ("text", "file", "line"),
    [
        ('{"image": "a.png", "caption": "x"}\n\n{"image": \n', "t.jsonl", "t.jsonl:3: invalid JSON"),
        ('[{"image": "a.png"', "t.json", "t.json: invalid JSON"),
        ('{"image": "a.png"}', "t.json", "expected a JSON list"),
        ('["a.png"]', "t.json", "t.json:1: a row must map"),
        ('"a.png"\n', "t.jsonl", "t.jsonl:1: a row must map"),
        ('{"image": "a.png", "text": "x"}\n', "t.jsonl", "t.jsonl:1: no column 'caption'; it has image, text"),
        ('{"caption": "x"}\n', "t.jsonl", "t.jsonl:1: no column 'image'"),
        ('{"image": "a.png", "caption": null}\n', "t.jsonl", "t.jsonl:1: "),
        ('{"image": "a.png", "caption": ["x", null]}\n', "t.jsonl", "t.jsonl:1: "),
        ("image,caption\na.png,x\nb.png\n", "t.csv", "t.csv:3: "),
        ("image,caption\na.png,x\nb.png,y,z\n", "t.csv", "t.csv:3: "),
        ("image,caption\n", "t.csv", "no images found"),
        ("", "t.csv", "no images found"),
        ("x", "t.xlsx", "unknown table format; write .csv, .tsv, .jsonl or .json"),
        ("image,caption\na.png,\n", "t.csv", "t.csv:2: empty caption"),
        ("image,caption\na.png,  \n", "t.csv", "t.csv:2: empty caption"),
        ('{"image": "a.png", "caption": ["x", ""]}\n', "t.jsonl", "t.jsonl:1: empty caption"),
        (
            '{"image": "a.png", "caption": "x"}\n{"image": "b.png", "caption": []}\n',
            "t.jsonl",
            "without a caption: b.png",
        ),
    ],
)
def test_fault_in_a_caption_table_is_named_with_its_row(folder: Path, text: str, file: str, line: str) -> None:
    (folder / file).write_text(text)
    assert line in refused(folder, "table", file=file, caption="caption")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("image,label\na.png,0\nb.png,2\n", "1 labels outside 0..1: b.png (2)"),
        ("image,label\na.png,-1\nb.png,1\n", "1 labels outside 0..1: a.png (-1)"),
        ("image,label\na.png,0\nb.png,fish\n", "t.csv:3: label 'fish' is neither a class name nor an index"),
        ("image,label\na.png,0\nb.png,0.5\n", "t.csv:3: label '0.5'"),
        ("image,label\na.png,0\na.png,1\n", "t.csv:3: image id 'a.png' occurs twice"),
    ],
)
def test_fault_in_a_label_table_is_named_with_its_sample(folder: Path, text: str, line: str) -> None:
    (folder / "t.csv").write_text(text)
    (folder / "classes.txt").write_text("dog\ncat\n")
    assert line in refused(folder, "table", file="t.csv", label="label", classes="classes.txt")


def test_table_that_is_not_utf8_is_refused(folder: Path) -> None:
    (folder / "t.csv").write_bytes("image,caption\na.png,étude\n".encode("latin-1"))
    assert "cannot read" in refused(folder, "table", file="t.csv", caption="caption")


def test_duplicate_caption_ids_are_named(folder: Path) -> None:
    json_lines(folder / "t.jsonl", [{"image": "a.png", "caption": ["x", "y"], "id": [1, 1]}])
    assert "1 duplicate text ids: 1" in refused(folder, "table", file="t.jsonl", caption="caption", caption_id="id")


def test_caption_ids_of_another_number_than_captions_are_refused(folder: Path) -> None:
    json_lines(folder / "t.jsonl", [{"image": "a.png", "caption": ["x", "y"], "id": [1]}])
    assert "t.jsonl:1: 1 entries" in refused(folder, "table", file="t.jsonl", caption="caption", caption_id="id")


# COCO


def _coco(folder: Path, **changes: Any) -> None:
    ids = {name: 10 * row for row, name in enumerate(CAPTIONS)}
    pairs = [(ids[name], text) for name, texts in CAPTIONS.items() for text in texts]
    annotations = [{"id": 100 + n, "image_id": id, "caption": text} for n, (id, text) in enumerate(pairs)]
    content = {"images": [{"id": id, "file_name": name} for name, id in ids.items()], "annotations": annotations}
    (folder / "captions.json").write_text(json.dumps(content | changes))


def _read_coco(folder: Path) -> Dataset:
    return read(folder, "coco", annotations="captions.json", images=".")


def test_coco_keeps_uneven_captions_and_their_ids(folder: Path) -> None:
    _coco(folder)
    dataset = _read_coco(folder)
    assert captions_of(dataset) == CAPTIONS
    assert texts_of(dataset)["100"] == "one" and texts_of(dataset)["105"] == "six"
    assert dataset.images[0].source.open().size == (8, 8)


def test_coco_is_the_same_whatever_the_order_in_the_file(folder: Path) -> None:
    _coco(folder)
    first = _read_coco(folder)
    content = json.loads((folder / "captions.json").read_text())
    _coco(folder, images=content["images"][::-1], annotations=content["annotations"][::-1])
    again = _read_coco(folder)
    assert again.images == first.images and again.texts == first.texts
    assert np.array_equal(again.positives, first.positives)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"annotations": [{"id": 5, "image_id": 99, "caption": "x"}]}, "1 annotations of images it does not list: 5"),
        ({"images": [{"id": 0, "file_name": "a.png"}, {"id": 0, "file_name": "b.png"}]}, "duplicate image ids"),
        ({"images": [{"id": 0}]}, "images[0]: 'file_name' should name a file, but holds 'None'"),
        ({"annotations": [{"id": 5, "image_id": 0}]}, "caption 5: no column 'caption'; it has id, image_id"),
        ({"annotations": [{"id": 5, "image_id": 0, "caption": "x"}]}, "2 images without a caption: b.png, c.png"),
        ({"annotations": [{"id": 5, "image_id": id, "caption": "x"} for id in (0, 10, 20)]}, "duplicate text ids: 5"),
        (
            {"annotations": [{"id": id, "image_id": id, "caption": " "} for id in (0, 10, 20)]},
            "caption 0: empty caption",
        ),
        (
            {"annotations": [{"id": id, "image_id": id, "caption": None} for id in (0, 10, 20)]},
            "caption 0: empty caption",
        ),
        ({"images": [{"id": id, "file_name": "../a.png"} for id in (0, 10, 20)]}, "'../a.png' would leave its folder"),
    ],
)
def test_fault_in_a_coco_file_is_named(folder: Path, changes: dict[str, Any], line: str) -> None:
    _coco(folder, **changes)
    assert line in refused(folder, "coco", annotations="captions.json", images=".")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "invalid JSON"),
        ("[]", "has no list 'images'"),
        ('{"images": [{"id": 1', "invalid JSON"),
        ("null", "no list"),
    ],
)
def test_broken_coco_file_is_named(folder: Path, text: str, line: str) -> None:
    (folder / "captions.json").write_text(text)
    assert line in refused(folder, "coco", annotations="captions.json", images=".")


# Web datasets


def _labelled(*labels: int, start: int = 0) -> dict[str, bytes]:
    members = {}
    for number, label in enumerate(labels, start):
        members |= {f"s{number}.png": png_bytes(number), f"s{number}.cls": str(label).encode()}
    return members


def _shards(folder: Path, *shards: dict[str, bytes], names: str = "dog\ncat\n") -> Path:
    for number, members in enumerate(shards):
        tar(folder / "test" / f"{number}.tar", members)
    (folder / "test" / "nshards.txt").write_text(f"{len(shards)}\n")
    (folder / "classnames.txt").write_text(names)
    return folder


def test_webdataset_reads_labels_over_shards(tmp_path: Path) -> None:
    dataset = read(_shards(tmp_path, _labelled(0, 1), _labelled(1, start=2)), "webdataset")
    assert dataset.class_names == ["dog", "cat"] and list(labels_of(dataset).values()) == [0, 1, 1]
    assert [np.asarray(image.source.open())[0, 0, 0] for image in dataset.images] == [
        np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)[0, 0, 0] for seed in range(3)
    ]


def test_webdataset_reads_one_caption_per_line(tmp_path: Path) -> None:
    members = {}
    for row, texts in enumerate(CAPTIONS.values()):
        members |= {f"./s{row}.jpg": png_bytes(row), f"./s{row}.txt": "\n".join(texts).encode()}
    dataset = read(_shards(tmp_path, members), "webdataset")
    assert list(captions_of(dataset).values()) == list(CAPTIONS.values())


def test_webdataset_ids_do_not_depend_on_the_order_in_a_shard(tmp_path: Path) -> None:
    members = _labelled(0, 1, 1, 0)
    first = read(_shards(tmp_path / "a", members), "webdataset")
    again = read(_shards(tmp_path / "b", dict(reversed(members.items()))), "webdataset")
    assert labels_of(first) == labels_of(again)
    assert [image.id for image in first.images] != [image.id for image in again.images]


def test_webdataset_ids_do_not_depend_on_how_samples_are_spread_over_shards(tmp_path: Path) -> None:
    first = read(_shards(tmp_path / "a", _labelled(0, 1)), "webdataset")
    again = read(_shards(tmp_path / "b", _labelled(0), _labelled(1, start=1)), "webdataset")
    assert labels_of(first) == labels_of(again)


def test_webdataset_samples_may_lie_in_folders_with_dots(tmp_path: Path) -> None:
    members = {"v1.0/s0.png": png_bytes(), "v1.0/s0.cls": b"1", "v2.0/s0.png": png_bytes(1), "v2.0/s0.cls": b"0"}
    assert list(labels_of(read(_shards(tmp_path, members), "webdataset")).values()) == [1, 0]


@pytest.mark.parametrize(
    ("members", "line"),
    [
        ({"s0.png": b"x"}, "sample s0 has neither a .cls nor a .txt file"),
        ({"s0.cls": b"0"}, "sample s0 has no image, only .cls"),
        ({"s0.png": b"x", "s0.cls": b"cat"}, "sample s0: label 'cat' is not a class index"),
        ({"s0.png": b"x", "s0.cls": b"2"}, "1 labels outside 0..1: "),
        ({"s0.png": b"x", "s0.txt": b"a\n\nb"}, "sample s0: empty caption in .txt"),
        ({}, "no images found"),
    ],
)
def test_fault_in_a_shard_is_named_with_its_sample(tmp_path: Path, members: dict[str, bytes], line: str) -> None:
    assert line in refused(_shards(tmp_path, members), "webdataset")


@pytest.mark.parametrize("kept", [100, 512 + 30, 1024 + 512 + 1])
def test_shard_that_is_cut_off_is_refused_by_name(tmp_path: Path, kept: int) -> None:
    file = _shards(tmp_path, _labelled(0, 1)) / "test" / "0.tar"
    file.write_bytes(file.read_bytes()[:kept])
    assert "0.tar is not a readable tar" in refused(tmp_path, "webdataset")


def test_shard_that_is_cut_off_between_two_samples_is_refused(tmp_path: Path) -> None:
    file = _shards(tmp_path, _labelled(0, 1)) / "test" / "0.tar"
    one_sample = 4 * 512  # a picture below 512 bytes and a label, each with its header
    assert len(png_bytes()) <= 512
    file.write_bytes(file.read_bytes()[:one_sample])
    assert "0.tar" in refused(tmp_path, "webdataset")


def test_shard_that_is_not_a_tar_is_refused(tmp_path: Path) -> None:
    file = _shards(tmp_path, _labelled(0)) / "test" / "0.tar"
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1\n" * 30)
    assert "0.tar is not a readable tar" in refused(tmp_path, "webdataset")


@pytest.mark.parametrize("text", ["two", "", "1 2", "-1"])
def test_number_of_shards_that_is_not_a_number_is_refused(tmp_path: Path, text: str) -> None:
    (_shards(tmp_path, _labelled(0)) / "test" / "nshards.txt").write_text(text)
    assert "should hold the number of shards" in refused(tmp_path, "webdataset")


def test_absent_shards_are_reported_as_missing(tmp_path: Path) -> None:
    assert source("webdataset").missing(tmp_path) == ["test/nshards.txt"]
    (_shards(tmp_path, _labelled(0)) / "test" / "nshards.txt").write_text("3\n")
    assert source("webdataset").missing(tmp_path) == ["test/1.tar", "test/2.tar"]


# Parquet


def _parquet(file: Path, columns: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), file)


def _images(*seeds: int) -> list[dict[str, Any]]:
    return [{"bytes": png_bytes(seed), "path": None} for seed in seeds]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers of parquet keep a memory-mapped copy."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))


def test_parquet_reads_labels_over_files(tmp_path: Path) -> None:
    _parquet(tmp_path / "0.parquet", {"image": _images(0, 1), "label": [0, 1]})
    _parquet(tmp_path / "1.parquet", {"image": _images(2), "label": [1]})
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    dataset = read(tmp_path, "parquet", label="label", classes="classes.txt")
    assert labels_of(dataset) == {"0.parquet#0": 0, "0.parquet#1": 1, "1.parquet#0": 1}
    assert dataset.class_names == ["dog", "cat"] and dataset.images[2].source.open().size == (8, 8)


def test_parquet_reads_plain_bytes_and_uneven_captions_by_id_in_any_order(tmp_path: Path) -> None:
    rows = list(enumerate(CAPTIONS.items()))
    for place, order in (("a", rows), ("b", rows[::-1])):
        columns = {
            "image": [png_bytes(seed) for seed, _ in order],
            "name": [name for _, (name, _) in order],
            "captions": [texts for _, (_, texts) in order],
        }
        _parquet(tmp_path / place / "x.parquet", columns)
    a, b = (read(tmp_path / place, "parquet", id_column="name", caption="captions") for place in "ab")
    assert captions_of(a) == captions_of(b) == CAPTIONS and texts_of(a) == texts_of(b)
    assert {image.id: image.source.key() for image in a.images} == {image.id: image.source.key() for image in b.images}


def test_parquet_takes_class_names_from_the_file_itself(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["dog", "cat"])})
    table = datasets.Dataset.from_dict({"image": _images(0), "label": [1]}, features=features)
    table.to_parquet(str(tmp_path / "0.parquet"))
    dataset = read(tmp_path, "parquet", label="label")
    assert dataset.class_names == ["dog", "cat"] and labels_of(dataset) == {"0.parquet#0": 1}


def test_parquet_class_names_of_the_hub_are_read_from_the_schema_and_checked(tmp_path: Path) -> None:
    """No library of the Hub is needed for them; labels are indices, also where a name is another's number."""

    def read_with(names: object, labels: list[Any]) -> Any:
        features = {"label": {"names": names, "_type": "ClassLabel"}}
        about = {"huggingface": json.dumps({"info": {"features": features}})}
        table = pa.table({"image": _images(*range(len(labels))), "label": labels})
        pq.write_table(table.replace_schema_metadata(about), tmp_path / "0.parquet")
        return read(tmp_path, "parquet", label="label")

    assert list(labels_of(read_with(["1", "0"], [1, 0])).values()) == [1, 0]
    assert list(labels_of(read_with(["dog", "cat"], ["cat", "dog"])).values()) == [1, 0]
    for names, line in (("dog", "not a list of texts"), (["a", 1], "not a list of texts"), (["a", "a"], "has a twice")):
        with pytest.raises(TaskError, match=f"0.parquet, column 'label': .*{line}"):
            read_with(names, [0])
    about = {"huggingface": "{"}
    pq.write_table(pa.table({"image": _images(0)}).replace_schema_metadata(about), tmp_path / "0.parquet")
    with pytest.raises(TaskError, match=r"0.parquet as parquet"):
        read(tmp_path, "parquet")


def test_parquet_that_changed_is_unpacked_again(tmp_path: Path) -> None:
    for captions in (["one"], ["two"], ["three and more"]):
        _parquet(tmp_path / "0.parquet", {"image": _images(0), "caption": captions})
        assert list(texts_of(read(tmp_path, "parquet", caption="caption")).values()) == captions


def test_parquet_of_several_groups_and_dictionaries_is_one_table(tmp_path: Path) -> None:
    """A column of few values is kept as a dictionary, each group with its own; a mapped file takes them all."""
    captions = [f"caption {number % 70}" for number in range(250)]
    table = pa.table({"image": _images(*range(250)), "caption": pa.array(captions).dictionary_encode()})
    pq.write_table(table, tmp_path / "0.parquet", row_group_size=60)
    dataset = read(tmp_path, "parquet", caption="caption")
    assert list(texts_of(dataset).values()) == captions
    assert len({image.source.key() for image in dataset.images}) == 250


def test_parquet_labels_by_name_follow_the_class_file_or_are_refused(tmp_path: Path) -> None:
    _parquet(tmp_path / "0.parquet", {"image": _images(0, 1), "label": ["cat", "dog"]})
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    assert list(labels_of(read(tmp_path, "parquet", label="label", classes="classes.txt")).values()) == [1, 0]
    assert "label" in refused(tmp_path, "parquet", label="label")


@pytest.mark.parametrize(
    ("columns", "options", "line"),
    [
        ({"image": _images(0), "text": ["x"]}, {"caption": "caption"}, "0.parquet has no column caption; it has"),
        ({"label": [0]}, {"label": "label"}, "0.parquet has no column image"),
        ({"image": _images(0, 1), "label": [0, None]}, {"label": "label"}, "0.parquet#1: empty label"),
        ({"image": _images(0), "label": [2]}, {"label": "label"}, "1 labels outside 0..1: 0.parquet#0 (2)"),
        ({"image": _images(0), "label": [0.5]}, {"label": "label"}, "0.5"),
        ({"image": _images(0, 1), "caption": ["x", None]}, {"caption": "caption"}, "0.parquet#1"),
        ({"image": _images(0), "caption": [["x", None]]}, {"caption": "caption"}, "0.parquet#0"),
        ({"image": _images(0), "caption": [""]}, {"caption": "caption"}, "0.parquet#0: empty caption"),
        ({"image": _images(0, 1), "id": [7, 7]}, {"id_column": "id"}, "1 duplicate image ids: 7"),
    ],
)
def test_fault_in_a_parquet_file_is_named(
    tmp_path: Path, columns: dict[str, Any], options: dict[str, str], line: str
) -> None:
    _parquet(tmp_path / "0.parquet", columns)
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    assert line in refused(tmp_path, "parquet", classes="classes.txt" if "label" in options else "", **options)


def test_broken_parquet_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "0.parquet").write_bytes(b"PAR1 and then nothing")
    assert "0.parquet as parquet" in refused(tmp_path, "parquet", label="label")


def test_parquet_row_without_a_picture_is_an_unreadable_image(tmp_path: Path) -> None:
    _parquet(tmp_path / "0.parquet", {"image": [None, png_bytes()], "label": [0, 0]})
    dataset = read(tmp_path, "parquet", label="label")
    with pytest.raises(OSError, match="row 0"):
        dataset.images[0].source.key()
    assert dataset.images[1].source.key()


# Relevance


def _relevance(folder: Path, rows: list[dict[str, Any]], gallery: str = "a\nb\nc\n") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "gallery.txt").write_text(gallery)
    json_lines(folder / "texts.jsonl", rows)
    return folder


def test_relevance_gives_a_text_all_its_images_and_owns_it_by_the_first(tmp_path: Path) -> None:
    rows = [{"id": "t0", "text": "x", "image_ids": ["b", "a"]}, {"id": "t1", "text": "y", "image_ids": "c"}]
    dataset = read(_relevance(tmp_path, rows), "relevance", file="texts.jsonl", gallery="gallery.txt")
    assert dataset.positives is not None and dataset.owner is not None
    assert dataset.positives.tolist() == [[0, 1], [0, 0], [1, 2]] and dataset.owner.tolist() == [1, 2]
    assert [image.id for image in dataset.images] == ["a", "b", "c"] and texts_of(dataset) == {"t0": "x", "t1": "y"}


def test_image_named_twice_by_a_text_is_one_positive_or_refused(tmp_path: Path) -> None:
    folder = _relevance(tmp_path, [{"id": "t0", "text": "x", "image_ids": ["a", "a"]}])
    try:
        dataset = read(folder, "relevance", file="texts.jsonl", gallery="gallery.txt")
    except TaskError:
        return
    assert dataset.positives is not None and dataset.positives.tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ({"id": 1, "text": "x", "image_ids": ["a", "z"]}, "texts.jsonl:1: image ids not in gallery.txt: z"),
        ({"id": 1, "text": "x", "image_ids": []}, "texts.jsonl:1: image ids not in gallery.txt: (none given)"),
        ({"id": 1, "text": "x"}, "texts.jsonl:1: no column 'image_ids'"),
        ({"id": 1, "image_ids": "a"}, "texts.jsonl:1: no column 'text'"),
        ({"id": 1, "text": " ", "image_ids": "a"}, "texts.jsonl:1: empty text"),
    ],
)
def test_fault_in_a_relevance_table_is_named(tmp_path: Path, row: dict[str, Any], line: str) -> None:
    folder = _relevance(tmp_path, [row])
    assert line in refused(folder, "relevance", file="texts.jsonl", gallery="gallery.txt")


def test_duplicate_ids_in_a_gallery_are_refused(tmp_path: Path) -> None:
    folder = _relevance(tmp_path, [{"id": 1, "text": "x", "image_ids": "a"}], gallery="a\na\n")
    assert "1 duplicate image ids: a" in refused(folder, "relevance", file="texts.jsonl", gallery="gallery.txt")


# What all readers share

PLACES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("folder", {"folder_name": "test", "classes": "classes.txt"}, ["test", "classes.txt"]),
    ("table", {"file": "t.csv", "images": "pictures", "classes": "c.txt"}, ["t.csv", "pictures", "c.txt"]),
    ("coco", {"annotations": "a.json", "images": "val2017"}, ["a.json", "val2017"]),
    ("webdataset", {"split": "val"}, ["val/nshards.txt"]),
    ("parquet", {"classes": "c.txt"}, ["c.txt"]),
    ("parquet", {"files": "data/*.parquet"}, ["data/*.parquet"]),
    ("relevance", {"file": "t.jsonl", "gallery": "g.txt"}, ["t.jsonl", "g.txt"]),
]


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
    _parquet(tmp_path / "x.parquet", {"image": _images(0), "label": [0]})
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
