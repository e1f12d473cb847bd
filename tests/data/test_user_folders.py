"""Folders and archives as users have them."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import card, class_folders, goldieval, one_line, picture, png_bytes, tar
from PIL import Image
from user_file_cases import imported, put, read, refused

from goldieval.core.errors import TaskError
from goldieval.data.file_names import escape_undecodable
from goldieval.engine.load import load_task_data
from goldieval.tasks.card import load_card

pytestmark = pytest.mark.usefixtures("here")


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


# Web datasets


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


# What `data import` says of a folder in which it finds nothing


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x.parquet", "cannot read mine/x.parquet as parquet"),
        ("00000.tar", "mine/00000.tar is not a readable tar"),
        ("c.ndjson", "c.ndjson:1: invalid JSON"),
        ("c.csv.gz", "3 .png, 1 .gz (unpack what is compressed)"),
    ],
)
def test_a_folder_without_a_known_layout_is_described(name: str, expected: str) -> None:
    put(name, b"x")
    code, out = imported()
    assert code == 2 and expected in one_line(out)


def test_a_class_folder_without_a_picture_is_named() -> None:
    for name in ("a", "b"):
        picture(Path(f"mine/{name}/0.png"))
    Path("mine/c").mkdir()
    code, out = imported()
    assert code == 0 and "left out: c (no images in them)" in out


def test_a_class_folder_with_images_in_deeper_folders_is_named() -> None:
    for name in ("a", "b", "c/old/new"):
        picture(Path(f"mine/{name}/0.png"))
    code, out = imported()
    assert code == 2 and "c holds images only in other folders" in one_line(out)


def test_a_single_class_folder_is_named() -> None:
    picture(Path("mine/a/0.png"))
    code, out = imported()
    assert code == 2 and "a is the only folder of images" in one_line(out)


def test_folders_around_the_class_folders_do_not_count_as_levels() -> None:
    for name in ("test/cat", "test/dog", "train/cat", "train/dog"):
        picture(Path(f"mine/a/b/c/d/{name}/0.png"))
    code, out = imported()
    assert code == 0 and "class folders in a/b/c/d/test" in out and "2 images, 2 classes" in out


def test_folders_beyond_the_search_are_not_called_empty() -> None:
    for name in ("a/x", "a/y", "b/x", "b/y"):
        picture(Path(f"deep/{name}/1/p/0.png"))
        picture(Path(f"deep/{name}/2/p/0.png"))
    ran = goldieval("data", "import", "deep")
    assert ran.code == 2 and "It holds no file down to 2 levels of folders" in one_line(ran.err)
