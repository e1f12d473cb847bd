"""Readers: tables of captions and of labels."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import json_lines
from reader_cases import CAPTIONS, captions_of, labels_of, read, refused, texts_of

pytestmark = pytest.mark.usefixtures("cache")


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
