"""``goldieval data import`` of folders that are easily misunderstood: what it guesses, and what it says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import class_folders, goldieval, one_line, picture
from import_cases import imported, mask, output_of, put
from PIL import Image

pytestmark = pytest.mark.usefixtures("empty_folder")

CAPTIONS = ("a red bus on a street", "two dogs run on grass", "a man rides a wave", "a cat sleeps on a sofa")


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rows(file: str, entries: Sequence[dict[str, Any]]) -> None:
    put(Path(file), [json.dumps(entry) for entry in entries])


def pictures(folder: str, count: int = 4) -> None:
    for number in range(count):
        picture(Path(folder, f"{number}.png"), number)


@pytest.mark.parametrize(("table", "start"), [("own/t.jsonl", "./"), ("own/lists/t.jsonl", "../")])
def test_names_relative_to_their_table(table: str, start: str) -> None:
    pictures("own/img")
    rows(table, [{"image": f"{start}img/{i}.png", "text": text} for i, text in enumerate(CAPTIONS)])
    card, lines, loaded = imported("own")
    assert card["source"]["prefix"] == start
    assert [image.id for image in loaded.prepared.dataset.images] == [f"img/{i}.png" for i in range(4)]
    assert '  img/0.png (8 x 8): "a red bus on a street"' in lines


def test_names_that_leave_the_folder_are_refused() -> None:
    pictures("other")
    pictures("own/img")
    rows("own/t.jsonl", [{"image": f"../other/{i}.png", "text": text} for i, text in enumerate(CAPTIONS)])
    ran = goldieval("data", "import", "own")
    assert ran.code == 2 and "are not below own" in one_line(ran.err)


def test_pairs_of_images_are_shown_without_dots() -> None:
    pictures("own", 8)
    sides = [{"image_0": f"./{2 * i}.png", "image_1": f"./{2 * i + 1}.png"} for i in range(4)]
    texts = [{"caption_0": f"a cup on {text}", "caption_1": f"{text} on a cup"} for text in CAPTIONS]
    rows("own/t.jsonl", [pair | text for pair, text in zip(sides, texts, strict=True)])
    _, lines, loaded = imported("own")
    assert loaded.prepared.dataset.images[0].path == "0.png"
    assert not any("./" in line for line in lines[:-1])


@pytest.mark.parametrize("name", ["ground_truth", "ground truth", "gt_path"])
def test_a_column_of_masks_by_its_name(name: str) -> None:
    pictures("own/a")
    for number in range(4):
        mask(Path(f"own/b/{number}.png"), [0, 1, 2])
    put(Path("own/t.csv"), [f"input,{name}", *(f"a/{i}.png,b/{i}.png" for i in range(4))])
    card, _, _ = imported("own")
    assert (card["family"], card["source"]["image"], card["source"]["mask"]) == ("segmentation", "input", name)


def test_masks_whose_palettes_differ_are_reported() -> None:
    pictures("own/images")
    for number in range(4):
        file = Path(f"own/masks/{number}.png")
        file.parent.mkdir(exist_ok=True)
        made = Image.fromarray(np.resize(np.asarray([0, 1], dtype=np.uint8), (8, 8)))
        made.putpalette([0, 0, 0, 255, 0, 0] if number != 2 else [255, 0, 0, 0, 0, 0])
        made.save(file)
    assert "warning: value 0 is the colour (0, 0, 0) in 0.png and (255, 0, 0) in 2.png" in output_of("own")
    mask(Path("own/masks/2.png"), [0, 1])
    assert "is the colour" not in output_of("own")


def test_the_label_map_of_cvat() -> None:
    pictures("own/JPEGImages")
    for number in range(4):
        mask(Path(f"own/SegmentationClass/{number}.png"), [0, 1, 2], palette=True)
    put(Path("own/labelmap.txt"), ["# label:color_rgb:parts:actions", "background:0,0,0::", "road:9,9,9::", "tree:::"])
    card, _, _ = imported("own")
    assert card["params"]["class_names"] == ["background", "road", "tree"]


@pytest.mark.parametrize("texts", [("red bus", "dogs", "wave", "cat"), ("公共汽车", "狗在草地上", "浪", "猫")])
def test_a_column_called_caption_may_hold_short_texts(texts: Sequence[str]) -> None:
    pictures("own/img")
    rows("own/t.jsonl", [{"image": f"{i}.png", "caption": text} for i, text in enumerate(texts)])
    assert imported("own")[0]["source"]["caption"] == "caption"


def test_long_names_of_classes_are_no_captions() -> None:
    pictures("own/img", 6)
    rows("own/t.jsonl", [{"image": f"{i}.png", "class": CAPTIONS[i % 2]} for i in range(6)])
    card, _, _ = imported("own")
    assert (card["family"], card["source"]["label"]) == ("zeroshot", "class")


def test_what_a_table_has_besides_is_named() -> None:
    pictures("own/img")
    rows("own/t.jsonl", [{"image": f"{i}.png", "text": text, "wrong": [text]} for i, text in enumerate(CAPTIONS)])
    assert "columns not used: wrong" in output_of("own")


def test_a_table_that_does_not_fit_is_named_beside_class_folders() -> None:
    for name in ("cat", "dog"):
        pictures(f"own/{name}", 2)
    put(Path("own/prices.csv"), ["item,price", "a,1", "b,2"])
    assert "not used: prices.csv has no column with names of image files" in output_of("own")


@pytest.mark.parametrize("folder", ["../own/", "../here/../own", "../link", "../link/../own"])
def test_a_folder_beside_the_working_directory(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class_folders(Path("own"), {"cat": 2, "dog": 2})
    Path("link").symlink_to("own")
    Path("here").mkdir()
    monkeypatch.chdir("here")
    card, lines, loaded = imported(folder)
    assert lines[1] == "4 images, 2 classes" and loaded.prepared.class_labels == ["cat", "dog"]
    ran = goldieval("run", "--model", "random", "--no-cache", "--tasks", f"{card['name']}.yaml")
    assert ran.code == 0, ran.err


def test_classes_of_a_list_are_called_without_their_common_folder() -> None:
    for name in ("cat", "dog"):
        pictures(f"own/pics/{name}", 2)
    put(Path("own/test.txt"), [f"pics/{name}/{i}.png {i}" for name in ("cat", "dog") for i in range(2)])
    card, _, _ = imported("own")
    assert card["params"]["class_names"] == ["cat", "dog"]


def test_a_name_that_a_card_cannot_have() -> None:
    class_folders(Path("own"), {"cat": 1, "dog": 1})
    ran = goldieval("data", "import", "own", "--name", "Bad Name/../x")
    assert ran.code == 2 and one_line(ran.err).startswith("error: --name 'Bad Name/../x': write lower-case")


def test_links_out_of_the_folder_name_what_allows_them() -> None:
    class_folders(Path("elsewhere"), {"cat": 1, "dog": 1})
    Path("own").mkdir()
    for name in ("cat", "dog"):
        Path("own", name).symlink_to(Path("elsewhere", name).absolute())
    ran = goldieval("data", "import", "own")
    assert ran.code == 2 and "$GOLDIEVAL_FOLDERS lists folders" in one_line(ran.err)
