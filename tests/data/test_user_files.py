"""Data in the forms that users have: read as intended, or refused with file, row and cause."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import card, class_folders, goldieval, one_line, picture, png_bytes, tar
from PIL import Image
from pydantic import TypeAdapter
from training_samples import image_text_folder, tokenizer

from goldieval.core.errors import TaskError
from goldieval.data.file_names import escape_undecodable
from goldieval.data.readers import AnySource
from goldieval.data.samples import Dataset
from goldieval.data.source import Source
from goldieval.engine.load import load_task_data
from goldieval.goldiclip.data.corpus import BadSampleError
from goldieval.goldiclip.data.jsonl import JsonLines
from goldieval.tasks.card import load_card

SOURCE: TypeAdapter[Source] = TypeAdapter(AnySource)
WORDS = ["a red square here", "a tall green tree", "an old man reads"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        picture(Path(f"mine/img/{number}.png"), number)


def read(reader: str, **options: Any) -> Dataset:
    return SOURCE.validate_python({"reader": reader, "path": "."} | options).read(Path("mine"))


def refused(reader: str, **options: Any) -> str:
    with pytest.raises(TaskError) as caught:
        read(reader, **options)
    return one_line(str(caught.value))


def put(name: str, text: str | bytes) -> None:
    Path("mine", name).write_bytes(text.encode() if isinstance(text, str) else text)


def imported(*options: str) -> tuple[int, str]:
    ran = goldieval("data", "import", "mine", *options)
    return ran.code, ran.out + ran.err


# Texts


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["c.csv", "c.jsonl", "c.json"])
def test_a_byte_order_mark_determines_the_encoding(name: str, encoding: str) -> None:
    rows = [{"image": f"img/{n}.png", "caption": f"étude {n}"} for n in range(3)]
    contents = {
        "c.csv": "image,caption\r" + "\r".join(",".join(row.values()) for row in rows),
        "c.jsonl": "\n".join(json.dumps(row, ensure_ascii=False) for row in rows),
        "c.json": json.dumps(rows, ensure_ascii=False),
    }
    put(name, contents[name].encode(encoding))
    assert [text.text for text in read("table", file=name, caption="caption").texts] == [
        "étude 0",
        "étude 1",
        "étude 2",
    ]


def test_text_that_is_not_unicode_is_refused_with_its_byte_and_line() -> None:
    put("c.csv", "image,caption\nimg/0.png,étude\n".encode("latin-1"))
    assert "c.csv: byte 25 (line 2) is not UTF-8" in refused("table", file="c.csv", caption="caption")
    put("classes.txt", "caf\xe9\n".encode("latin-1"))
    put("t.csv", "image,label\nimg/0.png,0\n")
    assert "classes.txt: byte 4" in refused("table", file="t.csv", label="label", classes="classes.txt")
    tar(Path("mine/test/0.tar"), {"a.png": png_bytes(), "a.txt": b"caf\xe9"})
    put("test/nshards.txt", "1")
    assert "sample a, .txt: byte 4" in refused("webdataset")


def test_a_lone_surrogate_is_refused_with_its_row() -> None:
    put("c.jsonl", '{"image": "img/0.png", "caption": "a \\ud83d face"}')
    assert "c.jsonl:1, column 'caption': character 3 is \\ud83d" in refused("table", file="c.jsonl", caption="caption")
    put("c.jsonl", '{"image": "img/\\ud83d.png", "caption": "x"}')
    assert "c.jsonl:1: 'image' names a file that is not Unicode" in refused("table", file="c.jsonl", caption="caption")
    corpus = JsonLines(image_text_folder(Path("train"), 2, r1='{"image": "x", "caption": "\\ud83d"}'), tokenizer())
    with pytest.raises(BadSampleError, match="surrogate"):
        corpus.sample(1)


# Missing values and labels


@pytest.mark.parametrize("value", ["null", "NaN", '"nan"', '""', '"  "', '"NULL"', '"None"', '["a", NaN]'])
def test_a_missing_caption_is_refused(value: str) -> None:
    put("c.jsonl", '{"image": "img/0.png", "caption": "fine"}\n{"image": "img/1.png", "caption": ' + value + "}")
    assert "c.jsonl:2: empty caption" in refused("table", file="c.jsonl", caption="caption")
    code, output = imported("--caption", "caption")
    assert code == 2 and "c.jsonl:2: empty caption" in one_line(output) and not Path("mine.yaml").exists()


@pytest.mark.parametrize("value", ["", "nan", "N/A", "NULL"])
def test_a_missing_label_is_refused(value: str) -> None:
    put("c.csv", f"image,label\nimg/0.png,cat\nimg/1.png,{value}\nimg/2.png,cat\n")
    assert "c.csv:3: empty label" in refused("table", file="c.csv", label="label")
    if value:
        assert read("table", file="c.csv", label="label", no_value=[]).class_names == sorted(["cat", value])


@pytest.mark.parametrize("labels", [("0.0", "1.0", "0.0"), ("0", "1", "0"), ("0", "1.0", "0")])
def test_class_numbers_require_names(labels: tuple[str, ...]) -> None:
    put("c.csv", "image,label\n" + "".join(f"img/{n}.png,{label}\n" for n, label in enumerate(labels)))
    code, output = imported("--label", "label")
    assert code == 2 and "class numbers (0, 1)" in output and "mine/classes.txt" in one_line(output)
    put("classes.txt", "cat\ndog\n")
    code, output = imported("--label", "label")
    assert code == 0, output
    dataset = load_card(Path("mine.yaml")).card.source.read(Path("mine"))
    assert dataset.class_names == ["cat", "dog"] and np.asarray(dataset.labels).tolist() == [0, 1, 0]


# Tables


CSV: dict[str, tuple[str, str]] = {
    "semicolons": ("image;caption\nimg/0.png;one, two\n", "one, two"),
    "spaces in the header": (" image , caption\nimg/0.png,one\n", "one"),
    "a row of nothing": ("image,caption\nimg/0.png,one\n,\n\n", "one"),
    "windows' paths": ("image,caption\nimg\\0.png,one\n", "one"),
    "a long field": ("image,caption\nimg/0.png," + "a" * 200_000 + "\n", "a" * 200_000),
    "a number": ("image,caption\nimg/0.png,7\n", "7"),
}


@pytest.mark.parametrize("name", CSV)
def test_tables_are_read(name: str) -> None:
    text, caption = CSV[name]
    put("c.csv", text)
    dataset = read("table", file="c.csv", caption="caption")
    assert [text.text for text in dataset.texts] == [caption] and dataset.images[0].source.open().size == (8, 8)


BAD_CSV: dict[str, tuple[str, str]] = {
    "no header": ("img/0.png,one\nimg/1.png,two\n", "names an image, not columns"),
    "a column twice": ("image,caption,caption\nimg/0.png,a,b\n", "two columns are named 'caption'"),
    "more values": ("image,caption\nimg/0.png,a,b\n", "c.csv:2: more values than columns"),
    "fewer values": ("image,caption\nimg/0.png\n", "c.csv:2: empty caption"),
    "an open quote": ('image,caption\nimg/0.png,"a\nimg/1.png,b\n', "c.csv:3: unexpected end of data"),
    "quotes within": ('image,caption\nimg/0.png,"a" b\n', "c.csv:2: "),
    "the same twice": ("image,caption\nimg/0.png,a\nimg/0.png,a\n", "c.csv:3: image 'img/0.png' has the caption 'a'"),
    "a zero byte": ('image,caption\n"img/\0.png",a\n', "zero byte"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_CSV)
def test_tables_are_refused_with_their_row(name: str) -> None:
    text, line = BAD_CSV[name]
    put("c.csv", text)
    assert line in refused("table", file="c.csv", caption="caption")


@pytest.mark.parametrize("value", ['{"a": 1}', "[[1]]", "true"])
def test_a_caption_that_is_not_text_is_refused(value: str) -> None:
    put("c.jsonl", '{"image": "img/0.png", "caption": ' + value + "}")
    assert "c.jsonl:1: column 'caption' should hold a text" in refused("table", file="c.jsonl", caption="caption")


def test_absolute_paths_below_the_folder_are_read() -> None:
    here = Path.cwd() / "mine"
    put("c.csv", "image,caption\n" + "".join(f"{here}/img/{n}.png,{WORDS[n]}\n" for n in range(3)))
    code, output = imported()
    assert code == 0, output
    task = load_card(Path("mine.yaml"))
    loaded = load_task_data(task, task.folder(Path()), None, 1)
    assert not loaded.unreadable and loaded.prepared.dataset.images[0].path == "img/0.png"


# COCO


def coco(images: list[Any], annotations: list[Any], **more: Any) -> None:
    put("c.json", json.dumps({"images": images, "annotations": annotations} | more))


def image(id: Any, name: int | None = None) -> dict[str, Any]:
    return {"id": id, "file_name": f"{int(id) if name is None else name}.png", "height": 8, "width": 8}


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


# Masks


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


def loaded(file: str) -> Dataset:
    return load_task_data(load_card(Path(file)), Path("mine"), None, 1).prepared.dataset


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


# Folders


def test_what_is_left_out_of_folders_is_counted_before_a_count_is_pinned() -> None:
    folder = class_folders(Path("own"), {"cat": 1, "dog": 1})
    Image.new("RGB", (8, 8)).save(folder / "cat/1.jfif", "JPEG")
    Image.new("RGB", (8, 8)).save(folder / "cat/2.JPG")
    for name in ("cat/notes.txt", "cat/x.heic", "cat/._0.png", "dog/Thumbs.db", "__MACOSX/cat/._0.png", "@eaDir/0.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    picture(folder / "loose.png")
    os.mkfifo(folder / "dog/pipe.png")
    (folder / "dog/up").symlink_to("..")
    ran = goldieval("data", "import", "own")
    assert ran.code == 0 and "4 images, 2 classes" in ran.out, ran.err
    for line in (
        "1 .heic, 1 .txt (not an image file)",
        "1 .png (in no class folder)",
        "(neither file nor folder)",
        "1 folders (a link to a parent folder)",
        "2 folders, 1 .db, 1 .png (hidden",
    ):
        assert line in ran.out, ran.out
    done = goldieval("run", "--model", "random", "--tasks", "own.yaml", "--no-cache")
    assert "warning: left out" in done.out


@pytest.mark.skipif(os.name != "posix", reason="bytes as names")
def test_a_file_name_that_is_not_utf8_is_scored() -> None:
    folder = class_folders(Path("own"), {"cat": 1, "dog": 1})
    (folder / "dog/0.png").rename(folder / "dog" / os.fsdecode(b"caf\xe9.png"))
    assert goldieval("data", "import", "own").code == 0
    ran = goldieval("run", "--model", "random", "--tasks", "own.yaml", "--no-cache")
    assert ran.code == 0, ran.out + ran.err
    (folder / "dog").rename(folder / os.fsdecode(b"caf\xe9"))
    assert "is its class, but caf\\xe9 is not UTF-8" in goldieval("data", "import", "own", "--name", "b").err
    assert escape_undecodable("a\udce9\\b") == "a\\xe9\\\\b"


def test_one_class_is_refused() -> None:
    class_folders(Path("mine/own"), {"cat": 2})
    file = card(Path(), source={"path": "mine/own"})
    with pytest.raises(TaskError, match="chance is 100 %, so there is nothing to measure: the data have one class"):
        load_task_data(load_card(file), Path("mine/own"), None, 1)


def test_no_card_is_written_for_a_picture_that_no_run_can_read() -> None:
    folder = class_folders(Path("own"), {"cat": 40, "dog": 2})
    Image.fromarray(np.zeros((4, 4), np.float32)).save(folder / "cat/7.tif")
    ran = goldieval("data", "import", "own")
    assert ran.code == 2 and "1 of 43 images cannot be read: cat/7.tif (it has floating-point" in one_line(ran.err)
    assert not Path("own.yaml").exists()


# Web datasets


def header(name: str, declared: int, **pax: str) -> bytes:
    about = tarfile.TarInfo(name)
    about.size, about.pax_headers = declared, dict(pax)
    return about.tobuf(tarfile.PAX_FORMAT)


def _huge() -> bytes:
    return header("a.png", 4, size=str(2**62)) + b"x" * 512


def _negative() -> bytes:
    return header("a.png", 4, size="-512") + b"x" * 512


def _zero_byte() -> bytes:
    return header("a.png", 4, path="a\0b.png") + b"x" * 512


def _sparse() -> bytes:
    about = tarfile.TarInfo("a.png")
    about.type = tarfile.GNUTYPE_SPARSE
    return about.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("make", [_huge, _negative, _zero_byte, _sparse])
def test_damaged_tars_are_one_line(make: Callable[[], bytes]) -> None:
    Path("mine/test").mkdir()
    put("test/0.tar", make() + bytes(1024))
    put("test/nshards.txt", "1")
    assert "0.tar is not a readable tar" in refused("webdataset")


def test_files_added_to_a_tar_by_macos_are_left_out_and_reported() -> None:
    members = {
        "./._a.png": b"x",
        "a.png": png_bytes(),
        "a.cls": b"1.0",
        "__MACOSX/._a.png": b"x",
        "b.png": png_bytes(1),
    }
    tar(Path("mine/test/0.tar"), members | {"b.cls": "\ufeff0".encode()})
    put("test/nshards.txt", "1")
    dataset = read("webdataset")
    assert np.asarray(dataset.labels).tolist() == [1, 0] and "hidden or system file" in dataset.notes[0]


def test_two_images_of_one_sample_are_refused() -> None:
    tar(Path("mine/test/0.tar"), {"a.png": png_bytes(), "a.jpg": png_bytes(), "a.cls": b"0"})
    put("test/nshards.txt", "1")
    assert "sample a has 2 images, .png and .jpg" in refused("webdataset")


def test_a_name_in_a_tar_that_is_not_utf8_is_escaped() -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in ((b"caf\xe9.png", png_bytes()), (b"caf\xe9.cls", b"0")):
            about = tarfile.TarInfo(os.fsdecode(name))
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
    Path("mine/test").mkdir()
    put("test/0.tar", stream.getvalue())
    put("test/nshards.txt", "1")
    assert read("webdataset").images[0].id == "caf\\xe9"


# Numbers as names, lists as text, rows that a quote swallows


@pytest.mark.parametrize("label", ["0", "0.0"])
def test_where_class_names_are_other_numbers_a_label_is_a_name(label: str) -> None:
    put("classes.txt", "1\n2\n3\n")
    put("c.csv", "image,label\nimg/0.png,1\nimg/1.png,3\nimg/2.png,2\n")
    assert np.asarray(read("table", file="c.csv", label="label", classes="classes.txt").labels).tolist() == [0, 2, 1]
    put("c.csv", f"image,label\nimg/0.png,1\nimg/1.png,{label}\n")
    assert "c.csv:3: label '0' is not a class name" in refused(
        "table", file="c.csv", label="label", classes="classes.txt"
    )
    put("c.jsonl", '{"image": "img/0.png", "label": 1}')
    assert "a class name or a class number" in refused("table", file="c.jsonl", label="label", classes="classes.txt")


def test_a_parquet_label_is_the_number_of_a_class_whatever_its_name() -> None:
    from datasets import ClassLabel, Features, Value
    from datasets import Dataset as Table

    features = Features({"image": Value("binary"), "label": ClassLabel(names=["1", "10", "2"])})
    Table.from_dict({"image": [png_bytes()] * 3, "label": [0, 1, 2]}, features=features).to_parquet("mine/x.parquet")
    assert np.asarray(read("parquet", label="label").labels).tolist() == [0, 1, 2]


def test_an_empty_line_in_a_class_list_is_refused() -> None:
    put("classes.txt", "cat\n\ndog\n\n")
    put("c.csv", "image,label\nimg/0.png,0\nimg/1.png,1\n")
    assert "classes.txt:2: an empty line" in refused("table", file="c.csv", label="label", classes="classes.txt")
    put("classes.txt", "cat\ndog\n\n")
    assert read("table", file="c.csv", label="label", classes="classes.txt").class_names == ["cat", "dog"]


@pytest.mark.parametrize("cell", ["['a red square', 'a box']", '[""a red square"", ""a box""]'])
def test_a_list_written_as_text_is_refused_as_a_caption(cell: str) -> None:
    put("c.csv", f'image,caption\nimg/0.png,"{cell}"\n')
    assert "c.csv:2: column 'caption' holds a list written as text" in refused("table", file="c.csv", caption="caption")


def test_rows_that_a_stray_quote_swallows_are_not_lost() -> None:
    put("c.tsv", 'image\tcaption\nimg/0.png\t"one two\nimg/1.png\tthree\nimg/2.png\tfour"\n')
    assert "c.tsv:4: the quote that ends here began 2 lines above" in refused("table", file="c.tsv", caption="caption")
    put("c.csv", 'image,caption\nimg/0.png,"one, two\nand three, four"\n')
    assert [text.text for text in read("table", file="c.csv", caption="caption").texts] == ["one, two\nand three, four"]


def test_utf16_without_a_mark_is_refused() -> None:
    put("img/0.txt", "a red square".encode("utf-16-le"))
    assert "0.txt: character 2 is a zero byte" in refused("sidecar", captions="img", images="img")
    put("c.csv", "image,caption\nimg/0.png,a\n".encode("utf-16-le"))
    assert "UTF-16 without a byte order mark" in refused("table", file="c.csv", caption="caption")


@pytest.mark.parametrize("text", ["nan", " NaN\n", "None"])
def test_a_text_file_with_a_missing_value_is_refused(text: str) -> None:
    put("img/0.txt", text)
    assert "0.txt is an empty caption" in refused("sidecar", captions="img", images="img")
    tar(Path("mine/test/0.tar"), {"a.png": png_bytes(), "a.txt": text.encode()})
    put("test/nshards.txt", "1")
    assert "sample a: empty caption in .txt" in refused("webdataset")


def test_compressed_and_missing_tars_are_reported() -> None:
    import gzip

    put("a.tar", gzip.compress(b"x" * 2000))
    Path("mine/test").mkdir()
    put("test/nshards.txt", "1")
    assert "0.tar does not exist" in refused("webdataset")
    Path("mine/a.tar").rename("mine/test/0.tar")
    assert "unpack it with gunzip" in refused("webdataset")


# Masks that lose bits, and what a segment may be called


def mask_of(file: str) -> np.ndarray:
    from goldieval.data.masks import read_values

    return read_values(Path(file))


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
    from goldieval.data.coco_masks import PanopticMask
    from goldieval.data.masks import label_table

    Image.fromarray(np.uint8([[[0, 0, 0], [7, 0, 0]]])).save("p.png")
    meaning = label_table([1, 2], [0])
    assert PanopticMask(Path("p.png"), ((0, 1), (7, 2)), meaning).read().tolist() == [[0, 1]]
    assert PanopticMask(Path("p.png"), ((7, 2),), meaning).read().tolist() == [[-1, 1]]


def test_a_class_without_a_name_is_refused() -> None:
    put("classes.json", '{"0": "wall", "1": null}')
    assert "classes.json: empty 1" in refused("masks", images="img", masks="img", classes="classes.json")


# What `data import` says of a folder in which it finds nothing


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x.parquet", "1 .parquet (a card with `reader: parquet`"),
        ("00000.tar", "<split>/0.tar"),
        ("c.ndjson", "name JSON Lines .jsonl"),
        ("c.csv.gz", "unpack what is compressed"),
    ],
)
def test_a_folder_without_a_known_layout_is_described(name: str, expected: str) -> None:
    put(name, b"x")
    code, out = imported()
    assert code == 2 and "3 .png" in one_line(out) and expected in one_line(out)


def test_a_class_folder_without_a_picture_is_named() -> None:
    for name in ("a", "b"):
        picture(Path(f"mine/{name}/0.png"))
    Path("mine/c").mkdir()
    code, out = imported()
    assert code == 2 and "c hold no images of their own" in one_line(out)
