"""``goldieval data import`` of masks: folders, tables and COCO's files give segmentation cards."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import import_cases as cases
import numpy as np
import pytest
from helpers import goldieval, json_lines, picture
from import_cases import imported, mask, put, refused
from PIL import Image

from goldieval.data.manage.detect import detect
from goldieval.data.manage.finding import DetectionHints
from goldieval.data.mask_files import MasksSource


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)


LAYOUTS: dict[str, tuple[Callable[[Path], Path], dict[str, Any], int, int]] = {
    "voc": (
        cases.voc,
        {
            "images": "VOC2012/JPEGImages",
            "masks": "VOC2012/SegmentationClass",
            "names": "VOC2012/ImageSets/Segmentation/val.txt",
            "values": ["0-20"],
        },
        2,
        21,
    ),
    "cityscapes": (
        cases.cityscapes,
        {
            "images": "leftImg8bit/val",
            "masks": "gtFine/val",
            "image_suffix": "_leftImg8bit.png",
            "mask_suffix": "_gtFine_labelIds.png",
        },
        4,
        19,
    ),
    "ade20k": (cases.ade20k, {"masks": "annotations/validation", "values": ["1-150"], "ignore": [0, 255]}, 2, 150),
    "mmseg": (cases.mmseg, {"images": "img_dir/val", "masks": "ann_dir/val", "values": ["0-2"]}, 2, 3),
    "camvid": (cases.camvid, {"images": "test", "masks": "testannot", "values": ["0-1", 11]}, 2, 3),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_two_folders_are_a_segmentation_task(name: str) -> None:
    make, source, images, classes = LAYOUTS[name]
    card, _, loaded = imported(make(Path()))
    assert (card["family"], card["headline"]) == ("segmentation", "miou")
    assert card["source"] | source == card["source"]
    assert card["expect"] == {"images": images, "classes": classes} == loaded.seen
    assert len(card["params"]["class_names"]) == classes


def folders(images: str, masks: str, suffix: str, values: list[int], root: str = "mine") -> Path:
    for number in range(3):
        picture(Path(root, images, f"{number}.jpg"), number)
        mask(Path(root, masks, f"{number}{suffix}.png"), values)
    return Path(root)


@pytest.mark.parametrize(
    ("images", "masks", "suffix"),
    [
        ("images", "masks", ""),
        ("images", "labels", "_labelIds"),
        ("JPEGImages", "annotations", "_mask"),
        ("test/images", "test/gt", "_gt"),
        ("imgs/val2", "segmentation/val2", ""),
        ("both", "both", "_mask"),
        ("test", "test", "_mask"),
        ("ISIC-2017_Test_v2_Data", "ISIC-2017_Test_v2_Part1_GroundTruth", "_segmentation"),
        ("leftImg8bit_trainvaltest/leftImg8bit/val", "gtFine_trainvaltest/gtFine/val", "_labels"),
        ("JPEGImages", "SegmentationClassPNG", ""),
    ],
)
def test_masks_are_paired_by_name_or_suffix(images: str, masks: str, suffix: str) -> None:
    card, lines, _ = imported(folders(images, masks, suffix, [0, 1, 255]), "--name", "x")
    assert (card["source"]["images"], card["source"]["masks"]) == (images, masks)
    assert card["expect"] == {"images": 3, "classes": 2}
    assert "values in all 3 masks: 0-1, 255" in lines


def test_names_that_do_not_correspond_are_named() -> None:
    for number in range(2):
        picture(Path(f"mine/images/image_{number}.png"), number)
        mask(Path(f"mine/masks/mask_{number}.png"), [0, 1])
    assert "do not correspond by name (first: images/image_0.png, masks/mask_0.png)" in refused("mine")


def test_values_without_names_are_classes_with_a_warning() -> None:
    card, lines, _ = imported(folders("images", "masks", "", [0, 1, 1, 255]), "--name", "x")
    assert card["params"]["class_names"] == ["background", "class 1"] and card["source"]["values"] == ["0-1"]
    assert "ignored: value 255 (25.0% of the pixels)" in lines
    assert any(line.startswith("value 0 (25.0% of the pixels) is taken as the class 'background'") for line in lines)
    assert any(line.startswith("warning: a class name reads badly in a prompt") for line in lines)


def test_two_values_0_and_255_are_two_classes() -> None:
    card, _, loaded = imported(folders("images", "masks", "", [0, 255]), "--name", "x")
    assert card["source"]["values"] == [0, 255] and loaded.seen["classes"] == 2


NAMES: dict[str, tuple[str, str, list[str]]] = {
    "lines": ("classes.txt", "road\ncar\nsky\n", ["road", "car", "sky"]),
    "lines, one more than values": ("class_names.txt", "road\ncar\nsky\ntree\n", ["road", "car", "sky", "tree"]),
    "numbers and names": ("labels.txt", "0: road\n1: car\n2: sky\n", ["road", "car", "sky"]),
    "colours and names": ("label_colors.txt", "64 128 64\troad\n1 2 3\tcar\n9 9 9\tsky\n", ["road", "car", "sky"]),
    "csv": ("class_dict.csv", "name,r,g,b\nroad,1,2,3\ncar,4,5,6\nsky,7,8,9\n", ["road", "car", "sky"]),
    "labelme": ("class_names.txt", "__ignore__\n_background_\ncar\nsky\n", ["background", "car", "sky"]),
    "roboflow": ("_classes.csv", "Pixel Value, Class\n0, background\n1, car\n2, sky\n", ["background", "car", "sky"]),
    "json of names": ("classes.json", '{"0": "road", "1": "car", "2": "Unlabelled"}', ["road", "car"]),
    "json of numbers": ("classes.json", '{"road": 0, "car": 1, "sky": 2}', ["road", "car", "sky"]),
    "json list": ("classes.json", '["road", "car", "sky"]', ["road", "car", "sky"]),
    "json entries": ("label_map.json", '[{"id": 2, "name": "sky"}, {"id": 1, "name": "car"}]', ["car", "sky"]),
}


@pytest.mark.parametrize("case", NAMES)
def test_names_of_the_classes_beside_the_masks(case: str) -> None:
    file, text, names = NAMES[case]
    put(folders("images", "masks", "", [0, 1, 2]) / file, text.splitlines())
    card, lines, loaded = imported("mine")
    assert card["params"]["class_names"] == names == loaded.prepared.class_labels
    assert any(line.startswith(f"class names from {file}") for line in lines)
    if "Unlabelled" in text:
        assert "ignored: value 2 (Unlabelled, 32.8% of the pixels)" in lines


def test_a_list_that_does_not_fit_is_not_used() -> None:
    put(folders("images", "masks", "", [0, 1, 7]) / "classes.txt", ["road", "car"])
    card, lines, _ = imported("mine")
    assert "classes.txt is not used: it has 2 names, but values reach 7" in lines
    assert card["params"]["class_names"] == ["background", "class 1", "class 7"]


def test_images_without_a_mask_are_left_out_and_counted() -> None:
    picture(folders("images", "masks", "", [0, 1]) / "images/9.jpg")
    card, lines, loaded = imported("mine")
    assert "left out: 1 .jpg (images without a mask)" in lines and loaded.seen["images"] == 3
    assert card["source"]["without_mask"] == "leave out"


def test_a_table_with_a_mask_column() -> None:
    folders("pics", "labels", "", [0, 1])
    rows = [{"file": f"{n}.jpg", "mask": f"{n}.png", "split": "val2017"} for n in range(3)]
    json_lines(Path("mine/t.jsonl"), rows)
    card, lines, _ = imported("mine")
    assert card["source"] | {"file": "t.jsonl", "images": "pics", "masks": "labels", "image": "file"} == card["source"]
    assert "it also holds images in pics, masks in labels (.png): --file labels" in lines
    assert "names no image files" in refused("mine", "--mask", "split", "--name", "x")


def coco(name: str, **changes: Any) -> None:
    for number in range(3):
        picture(Path(f"mine/pics/{number}.png"), number)
    content = {
        "images": [{"id": n, "file_name": f"{n}.png", "height": 8, "width": 8} for n in range(3)],
        "categories": [{"id": 1, "name": "wall-other-merged"}, {"id": 2, "name": "cat"}],
    }
    put(Path(f"mine/annotations/{name}.json"), [json.dumps(content | changes)])


OUTLINE = [[1, 1, 5, 1, 5, 5, 1, 5]]


def test_outlines_of_coco() -> None:
    outlines = [{"id": n, "image_id": n, "category_id": n + 1, "segmentation": OUTLINE} for n in range(2)]
    coco("instances_val", annotations=outlines)
    card, lines, _ = imported("mine")
    assert card["source"]["reader"] == "coco-masks" and card["params"]["class_names"] == ["wall", "cat"]
    assert "1 of 3 images have no outline" in lines
    assert any(line.startswith("pixels outside the outlines are ignored") for line in lines)


def test_outlines_of_one_category_have_a_background() -> None:
    outlines = [{"id": n, "image_id": n, "category_id": 7, "segmentation": OUTLINE} for n in range(3)]
    coco("instances_val", annotations=outlines, categories=[{"id": 7, "name": "cat"}])
    card, _, _ = imported("mine")
    assert card["params"]["class_names"] == ["background", "cat"]


def test_boxes_without_outlines_are_refused() -> None:
    coco("instances_val", annotations=[{"id": 0, "image_id": 0, "category_id": 1, "bbox": [0, 0, 1, 1]}])
    assert "instances_val.json has boxes, but neither captions nor outlines" in refused("mine")


def test_panoptic_masks_of_coco() -> None:
    colours = np.zeros((8, 8, 3), dtype=np.uint8)
    colours[..., 0] = np.arange(64).reshape(8, 8) % 2 + 1
    Path("mine/panoptic").mkdir(parents=True)
    for number in range(3):
        Image.fromarray(colours).save(f"mine/panoptic/{number}.png")
    segments = [{"id": 1, "category_id": 1}, {"id": 2, "category_id": 2}]
    rows = [{"image_id": n, "file_name": f"{n}.png", "segments_info": segments} for n in range(3)]
    coco("panoptic_val", annotations=rows)
    card, _, loaded = imported("mine")
    assert card["source"]["masks"] == "panoptic" and loaded.seen == {"images": 3, "classes": 2}


def test_colours_and_shades_of_grey_are_refused_in_one_line() -> None:
    folders("images", "masks", "", [0, 1])
    picture(Path("mine/masks/0.png"))
    assert "is a RGB image of colours, not of labels" in refused("mine")
    for number in range(3):
        mask(Path(f"grey/masks/{number}.png"), list(range(number * 64, number * 64 + 64)))
        picture(Path(f"grey/images/{number}.jpg"), number)
    assert "192 different values: pictures in grey, not labels" in refused("grey")


def test_an_imported_task_is_planned() -> None:
    imported(folders("images", "masks", "", [0, 1]))
    ran = goldieval("run", "--model", "random", "--tasks", "mine.yaml", "--dry-run")
    assert ran.code == 0, ran.out + ran.err


DENSE_PROBES: dict[str, tuple[Callable[[Path], Path], dict[str, Any], int, int]] = {
    "voc": (cases.voc, {"names": "VOC2012/ImageSets/Segmentation/train.txt"}, 2, 2),
    "cityscapes": (
        lambda root: cases.cityscapes(root, ("val", "train")),
        {"images": "leftImg8bit/train", "masks": "gtFine/train"},
        4,
        4,
    ),
    "ade20k": (cases.ade20k, {"images": "images/training", "masks": "annotations/training"}, 2, 2),
    "mmseg": (cases.mmseg, {"images": "img_dir/train", "masks": "ann_dir/train"}, 2, 2),
    "camvid": (cases.camvid, {"images": "train", "masks": "trainannot"}, 2, 2),
}


@pytest.mark.parametrize("name", DENSE_PROBES)
def test_two_splits_of_masks_are_a_dense_probe(name: str) -> None:
    make, train, tested, trained = DENSE_PROBES[name]
    found = detect(make(Path()), DetectionHints(family="dense-probe"))
    assert found.family == "dense-probe" and found.source["train"] == train
    assert found.source | LAYOUTS[name][1] == found.source, "the rest is that of the segmentation card"
    dataset = MasksSource.model_validate({**found.source, "path": "."}).read(make(Path()))
    assert dataset.train is not None and (~dataset.train).sum() == tested and dataset.train.sum() == trained


def test_the_card_of_a_dense_probe_is_written_and_counted() -> None:
    card, lines, loaded = imported(cases.mmseg(Path()), "--family", "dense-probe")
    assert (card["family"], card["headline"]) == ("dense-probe", "miou") and "prompts" not in card["params"]
    assert card["expect"] == {"images": 2, "train": 2, "classes": 3} == loaded.seen
    assert len(card["params"]["class_names"]) == 3
    assert "to train on: images in img_dir/train, masks in ann_dir/train" in lines[0]
    assert not any("prompt" in line for line in lines), "there is none"


def test_a_train_split_is_mentioned_where_a_segmentation_card_is_written() -> None:
    _, lines, _ = imported(cases.mmseg(Path()))
    note = "ann_dir/train has masks to train on: --family dense-probe writes a card that trains a linear head"
    assert note in lines and not any("--family dense-probe" in line for line in imported(_one_split(Path()))[1])


def test_tables_and_coco_files_of_two_splits_are_dense_probes(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for number in range(2):
            picture(Path("t/pics", f"{split}{number}.jpg"), number)
            mask(Path("t/marks", f"{split}{number}.png"), [0, 1])
        rows = [{"image": f"pics/{split}{n}.jpg", "mask": f"marks/{split}{n}.png"} for n in range(2)]
        json_lines(Path(f"t/{split}.jsonl"), rows)
        outlines = [{"id": n, "image_id": n, "category_id": n + 1, "segmentation": OUTLINE} for n in range(2)]
        about = {
            "images": [{"id": n, "file_name": f"{split}{n}.jpg", "height": 8, "width": 8} for n in range(2)],
            "annotations": outlines,
            "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        }
        picture(Path("c/pics", f"{split}0.jpg"), 0)
        picture(Path("c/pics", f"{split}1.jpg"), 1)
        Path(f"c/outlines_{split}.json").write_text(json.dumps(about))
    hints = DetectionHints(family="dense-probe")
    assert detect(Path("t"), hints).source["train"] == {"file": "train.jsonl"}
    assert detect(Path("t"), replace(hints, file="test.jsonl")).source["file"] == "test.jsonl"
    assert detect(Path("c"), hints).source["train"] == {"annotations": "outlines_train.json"}


def test_a_dense_probe_of_one_split_is_refused_with_what_to_do() -> None:
    line = refused(_one_split(Path()), "--family", "dense-probe")
    assert "masks of a train split and of another one are needed" in line and "give source.train in a card" in line
    Path("empty").mkdir()
    assert "holds no images with masks" in refused(Path("empty"), "--family", "dense-probe")


def _one_split(root: Path) -> Path:
    for number in range(2):
        picture(root / f"one/images/{number}.jpg", number)
        mask(root / f"one/masks/{number}.png", [0, 1])
    return root / "one"
