"""Bad masks and bad settings: one clear line each, and a record that says it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers import goldieval, one_line, records
from PIL import Image

from goldieval.core.errors import GoldievalError, TaskError
from goldieval.data.masks import FileMask, label_table
from goldieval.engine.load import load_task_data
from goldieval.tasks.card import load_card


def data(folder: Path, classes: int = 3, **changes: Any) -> Path:
    """Write three pictures of 12 x 10 pixels with masks of the classes; return the card."""
    rng = np.random.default_rng(0)
    for number in range(3):
        for kind in ("images", "masks"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (10, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"images/{number}.jpg")
        save(folder, number, rng.integers(0, classes, (10, 12)))
    source = {"reader": "masks", "path": ".", "images": "images", "masks": "masks"} | changes.pop("source", {})
    params = {"class_names": ["a", "b", "c"], "prompts": ["{c}"], "short_side": 64, "crop": 64, "stride": 32}
    content = {
        "name": "mine", "family": "segmentation", "version": 1, "protocol": "all", "title": "Mine", "licence": "mine",
        "headline": "miou", "source": source, "params": params | changes.pop("params", {}),
    }  # fmt: skip
    file = folder / "card.yaml"
    file.write_text(yaml.safe_dump(content | changes))
    return file


def save(folder: Path, number: int, mask: np.ndarray, mode: str = "L") -> None:
    kind = np.uint16 if mode == "I;16" else np.uint8
    Image.fromarray(mask.astype(kind)).save(folder / f"masks/{number}.png")


def other_size(folder: Path) -> None:
    save(folder, 1, np.zeros((12, 10)))


def outside(folder: Path) -> None:
    save(folder, 1, np.array([[0, 3, 7]]).repeat(10, 0).repeat(4, 1))


def colours(folder: Path) -> None:
    palette = Image.fromarray(np.ones((10, 12), dtype=np.uint8))
    palette.putpalette([0, 0, 0, 128, 0, 0])
    palette.convert("RGB").save(folder / "masks/1.png")


def sixteen_bits(folder: Path) -> None:
    save(folder, 1, np.full((10, 12), 1), "I;16")


def missing(folder: Path) -> None:
    (folder / "masks/1.png").unlink()


def damaged(folder: Path) -> None:
    file = folder / "masks/1.png"
    file.write_bytes(file.read_bytes()[:40])


def nothing_labelled(folder: Path) -> None:
    for number in range(3):
        save(folder, number, np.full((10, 12), 255))


FAULTS: list[tuple[Callable[[Path], None], str]] = [
    (other_size, "images/1.jpg is 12 x 10 pixels, its mask 10 x 12"),
    (outside, "images/1.jpg has labels 3, 7 outside the classes 0..2"),
    (colours, "masks/1.png is a RGB image of colours, not of labels"),
    (sixteen_bits, "masks/1.png has 16 or more bits per pixel; labels have 8"),
    (missing, "1 of 3 images have no mask"),
    (damaged, "masks/1.png cannot be read"),
    (nothing_labelled, "no pixel has a label"),
]


@pytest.mark.parametrize(("spoil", "said"), FAULTS, ids=[spoil.__name__ for spoil, _ in FAULTS])
def test_bad_masks_fail_the_task_in_one_line(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    card = data(tmp_path)
    spoil(tmp_path)
    ran = goldieval("run", "--model", "random", "--tasks", str(card), "--out", tmp_path / "out")
    assert ran.code == 1
    (record,) = records(tmp_path / "out")
    assert record["status"] == "failed" and said in one_line(record["reason"]) and not record["metrics"]
    assert not list((tmp_path / "out").rglob("*.parquet"))


def test_good_masks_run(tmp_path: Path) -> None:
    """What the faults above are measured against; a palette is read by its numbers."""
    card = data(tmp_path)
    palette = Image.fromarray(np.ones((10, 12), dtype=np.uint8))
    palette.putpalette([0, 0, 0, 128, 0, 0])
    palette.save(tmp_path / "masks/1.png")
    ran = goldieval("run", "--model", "random", "--tasks", str(card), "--out", tmp_path / "out")
    (record,) = records(tmp_path / "out")
    assert ran.code == 0 and record["status"] == "ok" and record["classes"]["b"]["pixels"] >= 120


def reason(card: Path) -> str:
    with pytest.raises(TaskError) as caught:
        load_task_data(load_card(card), card.parent, None, 1)
    return one_line(str(caught.value))


def test_lists_of_different_length_are_named(tmp_path: Path) -> None:
    two = data(tmp_path / "a", params={"class_names": ["a", "b"]}, source={"classes": "classes.txt"})
    (two.parent / "classes.txt").write_text("a\nb\nc\n")
    assert "differ in length: 3 in the data, 2 in params.class_names" in reason(two)
    defined = data(tmp_path / "b", params={"definition": "CityscapesDataset"})
    assert "19 in mmsegmentation's CityscapesDataset, 3 in params.class_names" in reason(defined)
    mapped = data(tmp_path / "c", source={"classes": "classes.txt", "values": [0, 1]})
    (mapped.parent / "classes.txt").write_text("a\nb\nc\n")
    assert "3 class names in classes.txt for 2 values" in reason(mapped)


def test_a_value_that_means_nothing_is_named(tmp_path: Path) -> None:
    card = data(tmp_path, source={"values": [0, 1]}, params={"class_names": ["a", "b"]})
    assert "values 2 are neither classes nor ignored" in reason(card)
    named = data(tmp_path / "json", source={"classes": "map.json"}, params={"class_names": None})
    (named.parent / "map.json").write_text(json.dumps({"0": "a", "300": "b"}))
    assert "map.json: values outside 0..255: 300" in reason(named)


def test_zero_is_read_as_mmseg_reads_it_or_refused(tmp_path: Path) -> None:
    card = data(tmp_path, params={"definition": "ADE20KDataset", "class_names": None})
    assert "treats value 0 as no label: set source.reduce_zero_label to true" in reason(card)
    assert label_table([], [255], True).classes(np.array([0, 1, 255]), "").tolist() == [-1, 0, -1]


def test_names_must_be_there_and_differ(tmp_path: Path) -> None:
    assert "no class names" in reason(data(tmp_path / "a", params={"class_names": None}))
    assert "several classes have the same name: a" in reason(
        data(tmp_path / "b", params={"class_names": ["a", "a, x", "b"]})
    )
    assert "has no name in it" in reason(data(tmp_path / "c", params={"class_names": ["a", " , ", "b"]}))


CARDS: list[tuple[dict[str, Any], str]] = [
    ({"params": {"stride": 100}}, "stride 100 is larger than crop 64"),
    ({"params": {"short_side": 3000}}, "short_side 3000 is larger than long_side 2048"),
    ({"params": {"attention": "both"}}, "params.attention: "),
    ({"params": {"reading": "mean"}}, "params.reading: "),
    ({"params": {"probability_threshold": 1.5}}, "params.probability_threshold: "),
    ({"params": {"scale": 0}}, "params.scale: "),
    ({"source": {"values": ["5-2"]}}, "source.values: '5-2' is neither a value"),
    ({"source": {"values": [3, "1-4"]}}, "source.values: a value is given twice"),
    ({"source": {"others": "ignore"}}, "source.others: "),
]


@pytest.mark.parametrize(("changes", "said"), CARDS, ids=[said for _, said in CARDS])
def test_impossible_cards_are_one_line(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(GoldievalError) as caught:
        load_card(data(tmp_path, **changes))
    assert said in one_line(str(caught.value)) and str(tmp_path) in str(caught.value)


def test_a_knob_is_set_for_a_run_and_enters_the_protocol(tmp_path: Path) -> None:
    card = data(tmp_path)
    keys = set()
    for settings in ([], ["scale=50"], ["stride=16"], ["attention=csa"], ["short_side=80"], ["prompts=['a {c}']"]):
        extra = [part for setting in settings for part in ("--set", setting)]
        ran = goldieval("run", "--model", "random", "--tasks", str(card), "--out", tmp_path / "out", *extra)
        assert ran.code == 0, ran.err
    for record in records(tmp_path / "out"):
        keys.add((record["task"]["protocol"], record["key"]))
        changed = record["task"]["overrides"]
        assert all(record["task"]["settings"].get(name, value) == value for name, value in changed.items())
        assert record["task"]["protocol"] == " + ".join(["all", *(f"{n}={json.dumps(v)}" for n, v in changed.items())])
    assert len(keys) == 6


def test_models_without_what_is_asked_say_so(tmp_path: Path) -> None:
    card = data(tmp_path)
    ran = goldieval("run", "--model", "random", "--tasks", str(card), "--set", "reading=pooling", "--out", tmp_path)
    assert ran.code == 1 and "has no text-conditioned pooling for reading pooling" in ran.out
    ran = goldieval("run", "--model", "open_clip:RN50", "--tasks", str(card), "--out", tmp_path / "b")
    assert ran.code == 1 and "gives no patch features" in ran.out


def test_unreadable_picture_counts_as_elsewhere(tmp_path: Path) -> None:
    card = data(tmp_path)
    (tmp_path / "images/1.jpg").write_bytes(b"no picture")
    arguments = ["run", "--model", "random", "--tasks", str(card), "--out", tmp_path / "out"]
    assert goldieval(*arguments).code == 1
    assert "1 of 3 images cannot be read: images/1.jpg" in records(tmp_path / "out")[0]["reason"]
    goldieval(*arguments, "--allow-bad", "1")
    kept = next(record for record in records(tmp_path / "out") if record["status"] == "partial")
    assert kept["metrics"]["miou"]["n"] == 2 and list(kept["data"]["unreadable"]) == ["images/1.jpg"]
    assert kept["data"]["pixels"]["all"] == 2 * 120


def test_coco_annotations_with_faults_are_one_line(tmp_path: Path) -> None:
    square = [[1.0, 1.0, 6.0, 1.0, 6.0, 6.0, 1.0, 6.0]]
    dot = {"counts": [33, 2, 8, 2, 75], "size": [10, 12]}
    content: dict[str, Any] = {
        "images": [{"id": 5, "file_name": "0.jpg", "height": 10, "width": 12}],
        "annotations": [
            {"id": 1, "image_id": 5, "category_id": 3, "segmentation": square},
            {"id": 2, "image_id": 5, "category_id": 9, "segmentation": dot},
        ],
        "categories": [{"id": 9, "name": "dot"}, {"id": 3, "name": "square"}],
    }
    source = {"reader": "coco-masks", "annotations": "a.json", "others": "background", "masks": ""}
    card = data(tmp_path, source=source, params={"class_names": None})
    file = tmp_path / "a.json"
    file.write_text(json.dumps(content))
    dataset = load_card(card).card.source.read(tmp_path)
    assert dataset.class_names == ["background", "square", "dot"] and dataset.masks is not None
    mask = dataset.masks[0].read()
    assert mask[3:5, 3:5].tolist() == [[2, 2], [2, 2]]  # the smaller one is on top
    assert (mask == 1).sum() > 15 and mask[0, 0] == mask[9, 11] == 0
    file.write_text(json.dumps(content | {"categories": [{"id": 300, "name": "x"}]}))
    assert "annotation 1: category 3 is not among the file's categories" in reason(card)
    file.write_text(json.dumps(content | {"images": []}))
    assert "annotations of images it does not list" in reason(card)
    file.write_text('{"images": [')
    assert "a.json: invalid JSON" in reason(card)


def test_sixteen_bits_never_wrap(tmp_path: Path) -> None:
    """Value 257 as uint8 would be 1, a class."""
    (tmp_path / "masks").mkdir()
    save(tmp_path, 0, np.full((4, 4), 257), "I;16")
    with pytest.raises(TaskError, match="16 or more bits"):
        FileMask(tmp_path / "masks/0.png", label_table([], [255])).read()
