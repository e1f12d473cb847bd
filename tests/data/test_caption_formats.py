"""Caption files of Flickr8k and Flickr30k, JSON mappings, nested captions, and images of another machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from reader_cases import captions_of, read, refused

PICTURES = ("a.png", "b.png", "c.png")


def test_numbered_captions_are_read_with_their_quotes(folder: Path) -> None:
    (folder / "f.token.txt").write_text('a.png#0\t"Stop" , he said\na.png#1\tA "dog\n\nb.png#0\tB, too\n')
    dataset = read(folder, "table", file="f.token.txt", caption="caption")
    assert captions_of(dataset) == {"a.png": ['"Stop" , he said', 'A "dog'], "b.png": ["B, too"]}
    (folder / "f.token").write_text("a.png#0\tone\nb.png two\n")
    assert "f.token:2: expected IMAGE#NUMBER" in refused(folder, "table", file="f.token", caption="caption")


def test_a_list_restricts_a_table_to_a_split(folder: Path) -> None:
    (folder / "f.token").write_text("".join(f"{name}#0\tof {name}\n" for name in PICTURES))
    (folder / "test.txt").write_text("b.png\nc.png\n")
    assert list(captions_of(read(folder, "table", file="f.token", caption="caption", listed="test.txt"))) == [
        "b.png",
        "c.png",
    ]


def test_columns_may_be_separated_by_bars(folder: Path) -> None:
    (folder / "r.csv").write_text(
        'image_name| number| comment\na.png| 0| Two "men, one\nb.png| 0   A dog\nb.png| 1| A cat\n'
    )
    options = {"file": "r.csv", "image": "image_name", "caption": "comment"}
    assert "r.csv:3: empty comment" in refused(folder, "table", **options)
    dataset = read(folder, "table", uncaptioned="leave out", **options)
    assert captions_of(dataset) == {"a.png": ['Two "men, one'], "b.png": ["A cat"]}
    assert "1 rows without a caption, of images with another" in dataset.notes[0] and "r.csv:3" in dataset.notes[0]


@pytest.mark.parametrize(
    "content",
    [
        {"a.png": ["one", "two"], "b.png": "three"},
        {"7": {"image": "a.png", "caption": ["one", "two"]}, "8": {"image": "b.png", "caption": "three"}},
        {"image": {"0": "a.png", "1": "b.png"}, "caption": {"0": ["one", "two"], "1": "three"}},
    ],
)
def test_json_mappings_are_read(folder: Path, content: object) -> None:
    (folder / "c.json").write_text(json.dumps(content))
    dataset = read(folder, "table", file="c.json", caption="caption")
    assert captions_of(dataset) == {"a.png": ["one", "two"], "b.png": ["three"]}


def test_captions_in_a_list_of_mappings_are_read(folder: Path) -> None:
    images = [
        {"filename": name, "split": split, "sentences": [{"raw": f"{name} one"}, {"raw": f"{name} two"}]}
        for name, split in zip(PICTURES, ("train", "test", "test"), strict=True)
    ]
    (folder / "d.json").write_text(json.dumps({"images": images, "dataset": "x"}))
    options = {"file": "d.json", "records": "images", "image": "filename", "where": {"split": "test"}}
    dataset = read(folder, "table", caption="sentences.raw", **options)
    assert captions_of(dataset) == {name: [f"{name} one", f"{name} two"] for name in PICTURES[1:]}
    assert "no column 'sentences.text'" in refused(folder, "table", caption="sentences.text", **options)


@pytest.mark.parametrize("prefix", ["/home/alice/data/", "https://host.example/x/", "C:\\data\\"])
def test_a_prefix_of_another_machine_is_removed(folder: Path, prefix: str) -> None:
    rows = [{"image": f"{prefix}{name}", "caption": f"of {name}"} for name in PICTURES]
    (folder / "t.json").write_text(json.dumps(rows))
    dataset = read(folder, "table", file="t.json", caption="caption", prefix=prefix)
    assert [image.id for image in dataset.images] == list(PICTURES) and dataset.images[0].source.open().size == (8, 8)


def test_a_prefix_opens_nothing_outside_the_folder(folder: Path) -> None:
    (folder / "t.json").write_text(json.dumps([{"image": "x/../../a.png", "caption": "c"}]))
    refused(folder, "table", file="t.json", caption="caption", prefix="x/")


def test_ids_of_absolute_paths_are_relative_to_the_folder(folder: Path) -> None:
    rows = [{"image": str(folder / "a.png"), "caption": "one"}, {"image": "a.png", "caption": "one"}]
    (folder / "t.json").write_text(json.dumps(rows))
    dataset = read(folder, "table", file="t.json", caption="caption")
    assert captions_of(dataset) == {"a.png": ["one"]} and "counts once" in dataset.notes[0]
