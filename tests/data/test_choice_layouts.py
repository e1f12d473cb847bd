"""Layouts of compositional benchmarks: several true captions, options, boxes, groups, lists and rows in pairs."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import picture, png_bytes
from PIL import Image
from reader_cases import read, refused, source

from goldieval.data.cropped import CroppedImage, picture_key
from goldieval.data.image_source import EncodedBytes
from goldieval.data.subset import keep_images, present
from goldieval.models.decoding_processes import _travelling

SHARED = Path(__file__).parents[3] / "shared/data"


def as_json(folder: Path, name: str, content: Any) -> None:
    (folder / name).write_text(json.dumps(content))


def texts_of_queries(dataset: Any) -> list[list[str]]:
    return [[dataset.texts[text].text for _, text in pairs] for pairs in dataset.choices]


ITEM = {"filename": "a.png", "caption": "p1", "caption2": "p2", "negative_caption": "n"}


def test_two_true_captions_are_one_query_if_all_have_to_win(tmp_path: Path) -> None:
    as_json(tmp_path, "swap.json", [ITEM, ITEM | {"filename": "b.png", "caption": "q1"}])
    options: dict[str, Any] = {"files": ["swap.json"], "true": ["caption", "caption2"]}
    apart, together = read(tmp_path, "contrast", **options), read(tmp_path, "contrast", **options, all_true=True)
    assert texts_of_queries(apart)[:2] == [["p1", "n"], ["p2", "n"]] and apart.trues == 1
    assert texts_of_queries(together) == [["p1", "p2", "n"], ["q1", "p2", "n"]] and together.trues == 2
    assert together.texts == apart.texts and together.strata["swap"].tolist() == [True, True]
    assert keep_images(together, together.strata["swap"] & [True, False]).trues == 2
    assert source("contrast", **options).candidates_per_query == (2, 1)
    assert source("contrast", **options, all_true=True).candidates_per_query == (3, 2)


def test_options_of_which_one_is_true(tmp_path: Path) -> None:
    rows = [
        {"image_path": "data/coco/a.png", "c0": "no dog", "c1": "a cat", "answer": "1", "kind": "Hybrid"},
        {"image_path": r"C:\pictures\b.png", "c0": "a dog", "c1": "no dog", "answer": "0.0", "kind": "negative"},
    ]
    with (tmp_path / "mcq.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    options: dict[str, Any] = {"files": ["mcq.csv"], "image": "image_path", "options": ["c0", "c1"], "answer": "answer"}
    dataset = read(tmp_path, "contrast", **options, stratum="kind", base_name=True, images="val2017")
    assert texts_of_queries(dataset) == [["a cat", "no dog"], ["a dog", "no dog"]]
    assert [image.path for image in dataset.images] == ["val2017/a.png", "val2017/b.png"]
    assert {name: mask.tolist() for name, mask in dataset.strata.items()} == {
        "hybrid": [True, False],
        "negative": [False, True],
    }
    (tmp_path / "mcq.csv").write_text("image_path,c0,c1,answer\na.png,x,y,2\n")
    assert "mcq.csv:2: 'answer' should be a number from 0 to 1, but is '2'" in refused(tmp_path, "contrast", **options)


def test_lists_and_numbers_of_pictures(tmp_path: Path) -> None:
    as_json(tmp_path, "coco_qa.json", [[397133, "a cup on the left", "a cup on the right"]])
    keys: dict[str, Any] = {"image": "0", "picture": "{:012}.jpg", "true": "1", "false": "2"}
    dataset = read(tmp_path, "contrast", files=["coco_qa.json"], images="val2017", **keys)
    assert dataset.images[0].path == "val2017/000000397133.jpg"
    assert texts_of_queries(dataset) == [["a cup on the left", "a cup on the right"]]


def test_captions_in_a_list_below_a_key(tmp_path: Path) -> None:
    as_json(tmp_path, "a.json", [{"image_path": "data/x.jpeg", "caption_options": ["on", "under", "left"]}])
    options: dict[str, Any] = {"true": "caption_options.0", "false": ["caption_options.1", "caption_options.2"]}
    dataset = read(tmp_path, "contrast", files=["a.json"], image="image_path", prefix="data/", **options)
    assert texts_of_queries(dataset) == [["on", "under", "left"]] and dataset.images[0].path == "x.jpeg"


BOX = {"box": ["bbox.x", "bbox.y", "bbox.w", "bbox.h"], "group": "attributes"}


def boxed(folder: Path, boxes: list[tuple[float, ...]]) -> None:
    rows = [
        {"filename": {"bytes": png_bytes(1), "path": None}, "caption": f"a {n}", "negative_caption": f"b {n}"}
        | {"bbox": dict(zip("xywh", map(float, box), strict=True)), "attributes": ["red", "big"]}
        for n, box in enumerate(boxes)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "test-0.parquet")


def test_a_box_of_a_picture_in_a_table_is_an_image_of_its_own(tmp_path: Path) -> None:
    boxed(tmp_path, [(1, 2, 3, 4), (1, 2, 3, 4), (0, 0, 100, 100)])
    dataset = read(tmp_path, "contrast", files=["test-*.parquet"], **BOX)
    whole = EncodedBytes(png_bytes(1))
    first, again, third = (image.source for image in dataset.images)
    assert first.open().tobytes() == whole.open().crop((1, 2, 4, 6)).tobytes()
    assert third.open().size == whole.open().size  # what lies outside is left out
    assert first.key() == again.key() != third.key()
    assert {picture_key(each, each.key()) for each in (first, again, third)} == {whole.key()}
    assert dataset.groups is not None and dataset.groups.tolist() == ["red_big"] * 3


def test_a_box_of_a_missing_picture_is_left_out_of_a_subset(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 1)
    items = [ITEM | {"filename": name, "bbox": {"x": 0, "y": 0, "w": 2, "h": 2}} for name in ("a.png", "b.png")]
    as_json(tmp_path, "items.json", [item | {"attributes": "red"} for item in items])
    part = present(read(tmp_path, "contrast", files=["items.json"], **BOX))
    assert [image.path for image in part.images] == ["a.png"] and part.groups is not None and len(part.groups) == 1
    assert part.notes == ["subset: 1 of 2 items, those whose pictures are here"]


@pytest.mark.parametrize(
    ("box", "message"), [((1, 1, 0, 3), "the box is empty, 0 x 3 pixels"), ((1, 1, float("nan"), 3), "empty bbox.w")]
)
def test_a_box_that_is_none_is_refused_with_its_row(box: tuple[float, ...], message: str, tmp_path: Path) -> None:
    boxed(tmp_path, [(1, 2, 3, 4), box])
    line = refused(tmp_path, "contrast", files=["test-*.parquet"], **BOX)
    assert "test-0.parquet#1: " in line and message in line


def test_a_box_beside_the_picture_is_an_unreadable_picture(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"box \(50.0, 0.0, 2.0, 2.0\) does not overlap the picture of"):
        CroppedImage(EncodedBytes(png_bytes(1)), (50.0, 0.0, 2.0, 2.0)).open()


def test_strata_of_crossed_examples(tmp_path: Path) -> None:
    rows = [["a.png", "x", "b.png", "y", "Add", "obj"], ["c.png", "x", "d.png", "y", "swap", "att"]]
    as_json(tmp_path, "t.json", rows)
    columns: dict[str, Any] = {"pair": ["0", "2"], "captions": ["1", "3"], "example": "", "strata": ["4", "5"]}
    dataset = read(tmp_path, "crossed", file="t.json", **columns)
    assert {name: mask.tolist() for name, mask in dataset.strata.items()} == {
        "add_obj": [True] * 4 + [False] * 4,
        "swap_att": [False] * 4 + [True] * 4,
    }


STATEMENTS = {"file": "q.csv", "columns": ["id", "type", "said"], "statement": "said", "stratum": "type"}
STATEMENTS |= {"images": "pictures", "picture": "{type}/{id}.png", "prompt": "a photo of {}"}


def test_two_rows_are_an_example(tmp_path: Path) -> None:
    rows = ["Q,T,S", "1,State and Condition,open", "2,State and Condition,closed", "3,Texts,a", "4,Texts,b"]
    (tmp_path / "q.csv").write_text("\n".join(rows))
    for name in ("State and Condition/1", "State and Condition/2", "Texts/3", "Texts/4"):
        picture(tmp_path / "pictures" / f"{name}.png", len(name))
    dataset = read(tmp_path, "statements", **STATEMENTS)
    assert [text.text for text in dataset.texts] == [f"a photo of {said}" for said in ("open", "closed", "a", "b")]
    assert [image.id for image in dataset.images] == ["1", "2", "3", "4"] and dataset.sets is not None
    assert dataset.sets.tolist() == [0] * 4 + [1] * 4 and list(dataset.strata) == ["state_and_condition", "texts"]
    assert isinstance(dataset.images[0].source.open(), Image.Image)
    (tmp_path / "q.csv").write_text("Q,T,S\n1,a,open\n")
    assert "1 rows, an odd number" in refused(tmp_path, "statements", **STATEMENTS)
    (tmp_path / "q.csv").write_text("Q,T\n1,a\n2,b\n")
    assert "2 columns instead of 3, id, type, said" in refused(tmp_path, "statements", **STATEMENTS)
    (tmp_path / "q.csv").write_text("Q,T,S\n1,../..,open\n2,..,closed\n")
    assert "q.csv:2" in refused(tmp_path, "statements", **STATEMENTS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"options": ["a", "b"]}, "options and answer belong together"),
        ({"options": ["a"], "answer": "n"}, "two or more captions"),
        ({"box": ["x", "y"]}, "box takes four keys"),
        ({"all_true": True}, "give the keys of several true captions"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        source("contrast", files=["a.json"], **options)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the annotations do not lie beside the checkout")
def test_complete_annotations_have_the_counts_of_their_cards() -> None:
    from goldieval import load_task

    for name, folder in (("sugarcrepe-pp", "sugarcrepe_pp"), ("valse-plurals", "valse"), ("valse-relations", "valse")):
        card = load_task(name).card
        found = card.source.model_copy(update={"annotations": folder}).read(SHARED / "annotations")
        assert (len(found.images), len(found.texts)) == (card.expect.images, card.expect.texts)
    for name in ("valse-existence", "valse-foil-it"):
        card = load_task(name).card
        found = card.source.read(SHARED / "annotations")
        assert (len(found.images), len(found.texts)) == (card.expect.images, card.expect.texts)
    cola = load_task("cola").card
    assert len(cola.source.read(SHARED / "annotations/cola").texts) == cola.expect.texts


def test_a_box_of_a_table_travels_to_a_decoding_process_with_its_own_bytes_only(tmp_path: Path) -> None:
    boxed(tmp_path, [(1, 2, 3, 4), (0, 0, 2, 2)])
    source = read(tmp_path, "contrast", files=["test-*.parquet"], **BOX).images[0].source
    sent = _travelling(source.key(), source)
    assert isinstance(sent, CroppedImage) and sent.picture == EncodedBytes(png_bytes(1))
    assert sent.key() == source.key() and sent.open().tobytes() == source.open().tobytes()
