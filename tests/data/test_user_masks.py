"""COCO files and masks as users have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import card, goldieval, one_line
from PIL import Image
from user_file_cases import imported, loaded, put, read, refused

from goldieval.core.errors import TaskError
from goldieval.engine.load import load_task_data
from goldieval.tasks.card import load_card

pytestmark = pytest.mark.usefixtures("here")


def coco(images: list[Any], annotations: list[Any], **more: Any) -> None:
    put("c.json", json.dumps({"images": images, "annotations": annotations} | more))


def image(id: Any, name: int | None = None) -> dict[str, Any]:
    return {"id": id, "file_name": f"{int(id) if name is None else name}.png", "height": 8, "width": 8}


# COCO


@pytest.mark.parametrize(
    ("images", "annotations"),
    [([0, "1"], [(0, 0), (1, "1")]), ([0, 1], [(0, 0), ("1", 1)]), ([0, 1], [(0, "0"), (1, "1")]),
     ([0, 1.0], [(0, 0), (1, 1)])],
)  # fmt: skip
def test_coco_ids_of_any_type_are_joined(images: list[Any], annotations: list[Any]) -> None:
    coco([image(id) for id in images], [{"id": id, "image_id": of, "caption": f"x{of}"} for id, of in annotations])
    dataset = read("coco", annotations="c.json", images="img")
    assert [sample.id for sample in dataset.images] == ["0.png", "1.png"] and np.asarray(dataset.owner).tolist() == [
        0,
        1,
    ]


def test_missing_images_are_reported_before_the_card_is_written() -> None:
    coco([image(n) for n in range(5)], [{"id": n, "image_id": n, "caption": f"x {n}"} for n in range(5)])
    code, output = imported()
    assert code == 0 and "2 of 5 images are missing: img/3.png, img/4.png" in output
    command = output.rpartition("run it: ")[2].split()
    assert command[-4:] == ["--subset", "present", "--tasks", "mine.yaml"]
    assert goldieval(*command[1:], "--no-cache").code == 0


SQUARE = [[0, 0, 8, 0, 8, 8, 0, 8]]


SMALL = [[2, 2, 6, 2, 6, 6, 2, 6]]


def outlined(first: int, **changes: Any) -> str:
    """Write two images of a square on a background, with category ids from ``first``."""
    entries = [
        {"id": 2 * n + k, "image_id": n, "category_id": first + k, "segmentation": (SQUARE, SMALL)[k]} | changes
        for n in range(2)
        for k in range(2)
    ]
    categories = [{"id": first, "name": "field"}, {"id": first + 1, "name": "square"}]
    coco([image(0), image(1)], entries, categories=categories)
    params = {"prompts": ["a {c}"], "short_side": 64, "crop": 64, "stride": 64}
    source = {"path": "mine", "annotations": "c.json", "images": "img"}
    return str(card(Path(), "coco-masks", "segmentation", source=source, headline="miou", params=params))


@pytest.mark.parametrize("first", [0, 1, 1000])
def test_coco_categories_may_count_from_anywhere(first: int) -> None:
    task = load_card(Path(outlined(first)))
    dataset = task.card.source.read(Path("mine"))
    assert dataset.masks is not None and dataset.class_names == ["field", "square"]
    assert np.bincount(dataset.masks[0].read().ravel()).tolist() == [48, 16]
    load_task_data(task, Path("mine"), None, 1)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"segmentation": None}, "image 0, annotation 0: it has no outline"),
        ({"segmentation": []}, "image 0, annotation 0: it has no outline"),
        ({"category_id": 7}, "image 0, annotation 0: category 7 is not among"),
        ({"category_id": None}, "'category_id' should be a number"),
        ({"image_id": None}, "annotations[0]: 'image_id' should be a number or a text"),
        ({"segmentation": [[1, 1, 2, 2]]}, "a polygon is not a list of three or more points"),
        ({"segmentation": [[0, 0, 1e12, 0, 1e12, 1e12]]}, "outside an image of 8 x 8"),
        ({"segmentation": {"size": [8, 8], "counts": [1, 2]}}, "cover 3 pixels, but the image has 64"),
        ({"segmentation": {"size": [8, 8], "counts": "PPYo1"}}, "run lengths"),
        ({"segmentation": {"size": [9, 9], "counts": [81]}}, "run lengths for [9, 9]"),
    ],
)
def test_invalid_coco_outlines_are_reported(changes: dict[str, Any], line: str) -> None:
    task = load_card(Path(outlined(1, **changes)))
    with pytest.raises(TaskError) as caught:
        load_task_data(task, Path("mine"), None, 1)
    assert line in one_line(str(caught.value))


@pytest.mark.parametrize("height", [None, 0, -1, "x", 10**9])
def test_coco_pictures_without_a_height_are_named(height: Any) -> None:
    file = outlined(1)
    about = json.loads(Path("mine/c.json").read_text())
    about["images"][0] |= {"height": height, "width": 10**9 if height == 10**9 else 8}
    put("c.json", json.dumps(about))
    with pytest.raises(TaskError, match="image 0: "):
        load_task_data(load_card(Path(file)), Path("mine"), None, 1)


def masked(mask: np.ndarray, pictures: str = "img", masks: str = "m", **source: Any) -> str:
    for number in range(2):
        file = Path("mine", f"{masks}/{number}.png")
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask.astype(np.uint8)).save(file)
    Path("mine/img/2.png").unlink(missing_ok=True)
    put("names.txt", "background\nsquare\nthird\n")
    params = {"prompts": ["a {c}"], "class_names": "mine/names.txt", "short_side": 64, "crop": 64, "stride": 64}
    about = {"path": "mine", "images": pictures, "masks": masks} | source
    return str(card(Path(), "masks", "segmentation", source=about, headline="miou", params=params))


def halves(first: int, second: int) -> np.ndarray:
    return np.repeat([[first] * 8, [second] * 8], 4, axis=0)


# Masks


def test_masks_of_0_and_255_are_refused_with_the_values_seen() -> None:
    with pytest.raises(TaskError) as caught:
        loaded(masked(halves(0, 255)))
    line = one_line(str(caught.value))
    assert "chance is 100 %" in line and "source.ignore excludes 255" in line and "`values: [0, 255]`" in line


def test_a_listed_value_of_255_is_a_class() -> None:
    file = Path(masked(halves(0, 255), values=[0, 255]))
    put("names.txt", "background\nsquare\n")
    dataset = loaded(str(file))
    assert dataset.masks is not None and np.unique(dataset.masks[0].read()).tolist() == [0, 1] and not dataset.notes


def test_classes_without_a_pixel_are_reported_in_the_output_and_the_record() -> None:
    ran = goldieval("run", "--model", "random", "--tasks", masked(halves(0, 1)), "--no-cache")
    assert "1 of 3 classes have no pixel in any mask: third" in " ".join(ran.out.split())


def test_masks_beside_their_images_are_not_images() -> None:
    for number in range(2):
        Image.open(f"mine/img/{number}.png").save(f"mine/img/{number}.jpg")
        Path(f"mine/img/{number}.png").unlink()
    dataset = loaded(masked(halves(0, 1), pictures="img", masks="img"))
    assert [sample.path for sample in dataset.images] == ["img/0.jpg", "img/1.jpg"]
    assert [note for note in dataset.notes if "left out" in note] == []


def test_images_with_the_masks_ending_need_a_suffix() -> None:
    with pytest.raises(TaskError, match="holds no images besides the masks, which end with"):
        loaded(masked(halves(0, 1), pictures="img", masks="img"))


def test_two_images_of_one_stem_are_reported() -> None:
    file = masked(halves(0, 1))
    Image.open("mine/img/0.png").save("mine/img/0.jpg")
    with pytest.raises(TaskError, match=r"holds 0\.jpg and 0\.png, two images for one mask"):
        loaded(file)
    put("img/0.txt", "a caption")
    assert "matches 0.jpg, 0.png" in refused("sidecar", captions="img", images="img")


def mask_of(file: str) -> np.ndarray:
    from goldieval.data.masks import read_values

    return read_values(Path(file))


# Masks that lose bits, and what a segment may be called


def test_jpeg_masks_are_refused() -> None:
    Image.fromarray(np.eye(9, dtype=np.uint8)).save("m.jpg", quality=100)
    with pytest.raises(TaskError, match=r"m.jpg is a JPEG"):
        mask_of("m.jpg")


@pytest.mark.parametrize("bits", [2, 4])
def test_grey_masks_of_few_bits_keep_their_values(bits: int) -> None:
    import struct
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"\0\x1b" if bits == 2 else b"\0\x01\x23"  # four values from 0 to 3
    head = struct.pack(">IIBBBBB", 4, 1, bits, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    Path("m.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    assert mask_of("m.png").tolist() == [[0, 1, 2, 3]]


def test_a_panoptic_segment_0_that_is_listed_is_a_segment() -> None:
    from goldieval.data.coco_pixels import PanopticMask
    from goldieval.data.masks import label_table

    Image.fromarray(np.uint8([[[0, 0, 0], [7, 0, 0]]])).save("p.png")
    meaning = label_table([1, 2], [0])
    assert PanopticMask(Path("p.png"), ((0, 1), (7, 2)), meaning).read().tolist() == [[0, 1]]
    assert PanopticMask(Path("p.png"), ((7, 2),), meaning).read().tolist() == [[-1, 1]]


def test_a_class_without_a_name_is_refused() -> None:
    put("classes.json", '{"0": "wall", "1": null}')
    assert "classes.json: empty 1" in refused("masks", images="img", masks="img", classes="classes.json")
