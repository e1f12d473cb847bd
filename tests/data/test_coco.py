"""Readers: caption files in COCO's format, and relevance between galleries and texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import json_lines
from reader_cases import CAPTIONS, captions_of, read, refused, texts_of

from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset

pytestmark = pytest.mark.usefixtures("cache")


def _coco(folder: Path, **changes: Any) -> None:
    ids = {name: 10 * row for row, name in enumerate(CAPTIONS)}
    pairs = [(ids[name], text) for name, texts in CAPTIONS.items() for text in texts]
    annotations = [{"id": 100 + n, "image_id": id, "caption": text} for n, (id, text) in enumerate(pairs)]
    content = {"images": [{"id": id, "file_name": name} for name, id in ids.items()], "annotations": annotations}
    (folder / "captions.json").write_text(json.dumps(content | changes))


def _read_coco(folder: Path) -> Dataset:
    return read(folder, "coco", annotations="captions.json", images=".")


# COCO


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


def test_missing_and_repeated_captions_follow_the_rules_of_the_card(folder: Path) -> None:
    texts = [(0, "one"), (0, "one"), (0, None), (10, "two"), (20, " ")]
    _coco(folder, annotations=[{"id": n, "image_id": id, "caption": text} for n, (id, text) in enumerate(texts)])
    options = {"annotations": "captions.json", "images": "."}
    dataset = read(folder, "coco", **options, uncaptioned="leave out", repeated="once")
    assert captions_of(dataset) == {"a.png": ["one"], "b.png": ["two"]}
    assert dataset.notes == [
        "left out: 1 captions (a missing value beside others)",
        "1 caption repeats another of its image and counts once (first: 'one' of a.png)",
        "left out: 1 image without a caption: c.png",
    ]
    kept = read(folder, "coco", **options, uncaptioned="keep")
    assert [image.id for image in kept.images] == ["a.png", "b.png", "c.png"] and len(kept.texts) == 3


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


def _relevance(folder: Path, rows: list[dict[str, Any]], gallery: str = "a\nb\nc\n") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "gallery.txt").write_text(gallery)
    json_lines(folder / "texts.jsonl", rows)
    return folder


# Relevance


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
