"""Readers of lists, MATLAB files, raw pixels and nested class folders: what they read, and what they refuse."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import picture
from import_cases import car_annotations, cifar10_binary, flowers102, mnist, put, stanford_cars, stl10
from reader_cases import read, refused
from scipy.io import savemat

from goldieval.data import matlab

# Lists


def lines_of(folder: Path, *lines: str) -> Path:
    for name in ("a 1.png", "b/x_1.png", "b/x_2.png", "c/y_1.png"):
        picture(folder / name)
    put(folder / "l.txt", lines)
    return folder


LISTS: dict[str, tuple[list[str], dict[str, Any], list[str], list[int]]] = {
    "folder": (["b/x_1.png", "", "# c", "c/y_1.png"], {}, ["b", "c"], [0, 1]),
    "slash": (["/b/x_1.png", "/c/y_1.png"], {}, ["b", "c"], [0, 1]),
    "ending": (["b/x_1", "c/y_1"], {"ending": ".png"}, ["b", "c"], [0, 1]),
    "name": (["b/x_1.png", "b/x_2.png", "c/y_1.png"], {"label": "name"}, ["x", "y"], [0, 0, 1]),
    "rest of the line": (["b/x_1.png  sea lion", "c/y_1.png cat"], {"label": 1}, ["cat", "sea lion"], [1, 0]),
    "numbers": (["b/x_1.png 10 1", "c/y_1.png 9 1"], {"label": 1}, ["9", "10"], [1, 0]),
    "tabs": (["a 1.png\tcat\t3", "c/y_1.png\tdog\t4"], {"label": 1, "separator": "\t"}, ["cat", "dog"], [0, 1]),
}


@pytest.mark.parametrize("case", LISTS)
def test_a_list_names_images_and_classes(tmp_path: Path, case: str) -> None:
    lines, options, names, labels = LISTS[case]
    dataset = read(lines_of(tmp_path, *lines), "list", file="l.txt", **options)
    assert dataset.class_names == names and np.asarray(dataset.labels).tolist() == labels
    assert all((tmp_path / image.path).is_file() for image in dataset.images)


@pytest.mark.parametrize(
    ("lines", "options", "expected"),
    [
        (["../x.png 1"], {"label": 1}, "l.txt:1: "),
        (["b/x_1.png cat", "c/y_1.png"], {"label": 1}, "l.txt:2: no class in 'c/y_1.png' (source.label is 1)"),
        (["a.png"], {}, "l.txt:1: no class in 'a.png' (source.label is 'folder')"),
        (["b/x_1.png", "b/x_1.png"], {}, "1 duplicate image ids: b/x_1.png"),
        ([], {}, "no images found"),
    ],
)
def test_a_bad_line_is_refused(tmp_path: Path, lines: list[str], options: dict[str, Any], expected: str) -> None:
    assert expected in refused(lines_of(tmp_path, *lines), "list", file="l.txt", **options)


def test_folders_at_any_depth_are_classes(tmp_path: Path) -> None:
    for name in ("a/abbey/0.png", "a/flat/outdoor/0.png", "a/flat/1.png"):
        picture(tmp_path / name)
    dataset = read(tmp_path, "folder", nested=True)
    assert dataset.class_names == ["a/abbey", "a/flat", "a/flat/outdoor"]
    assert np.asarray(dataset.labels).tolist() == [0, 1, 2]


# MATLAB files

FLOWERS = {"file": "imagelabels.mat", "variable": "labels", "images": "jpg"}
CARS = {"file": "cars_test_annos_withlabels.mat", "variable": "annotations", "images": "cars_test", "image": "fname"}


def test_a_vector_of_labels_and_the_numbers_of_a_split(tmp_path: Path) -> None:
    folder = flowers102(tmp_path)
    dataset = read(folder, "matlab", **FLOWERS, subset="setid.mat", subset_variable="valid")
    assert [image.path for image in dataset.images] == ["jpg/image_00003.jpg"]
    assert np.asarray(dataset.labels).tolist() == [2]
    assert len(read(folder, "matlab", **FLOWERS).images) == 6


def test_structures_with_names_and_classes(tmp_path: Path) -> None:
    dataset = read(stanford_cars(tmp_path), "matlab", **CARS, classes="devkit/cars_meta.mat")
    assert dataset.class_names == ["Acura RL Sedan 2012", "Audi V8 Sedan 1994"]
    assert np.asarray(dataset.labels).tolist() == [0, 1, 1, 0]


def test_bad_matlab_files_are_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = flowers102(tmp_path)
    assert "has no variable 'x'; it has labels" in refused(folder, "matlab", **FLOWERS | {"variable": "x"})
    beyond = {"subset": "imagelabels.mat", "subset_variable": "labels"}
    assert "has labels of images 1 to 6" in refused(folder, "matlab", **FLOWERS, **beyond)
    savemat(folder / "zero.mat", {"labels": np.array([[0, 1]])})
    assert "label 0 is not a class number from 1 on" in refused(folder, "matlab", **FLOWERS | {"file": "zero.mat"})
    savemat(folder / "outside.mat", {"annotations": car_annotations([1])})
    assert "has no field 'path'; it has bbox_x1, class, fname" in refused(
        folder, "matlab", **CARS | {"file": "outside.mat", "image": "path", "images": "jpg"}
    )
    (folder / "imagelabels.mat").write_bytes(b"MATLAB 7.3 MAT-file" + b"\0" * 200)
    assert "is not a readable MATLAB file of version 5" in refused(folder, "matlab", **FLOWERS)
    savemat(folder / "imagelabels.mat", {"labels": np.ones((1, 100_000))}, do_compression=True)
    monkeypatch.setattr(matlab, "MATLAB_UNPACKED", 100_000)
    assert "a variable unpacks to more than 100,000 bytes" in refused(folder, "matlab", **FLOWERS)


# Raw pixels


def test_pixels_of_cifar_are_planes_and_those_of_stl10_columns(tmp_path: Path) -> None:
    folder = cifar10_binary(tmp_path)
    dataset = read(folder, "arrays", layout="cifar10", file="test_batch.bin", classes="batches.meta.txt")
    raw = np.fromfile(folder / "test_batch.bin", dtype=np.uint8)[3073 * 2 :][1:3073].reshape(3, 32, 32)
    assert np.array_equal(np.asarray(dataset.images[2].source.open()), raw.transpose(1, 2, 0))
    assert np.asarray(dataset.labels).tolist() == [n % 10 for n in range(20)]
    folder = stl10(tmp_path)
    dataset = read(folder, "arrays", layout="stl10", file="test_X.bin", labels="test_y.bin")
    raw = np.fromfile(folder / "test_X.bin", dtype=np.uint8)[:27648].reshape(3, 96, 96)
    assert np.array_equal(np.asarray(dataset.images[0].source.open()), raw.transpose(2, 1, 0))
    assert np.asarray(dataset.labels).tolist() == [0, 9, 1]


def test_pixels_in_the_format_of_mnist(tmp_path: Path) -> None:
    folder = mnist(tmp_path) / "raw"
    files = {"file": "t10k-images-idx3-ubyte", "labels": "t10k-labels-idx1-ubyte"}
    dataset = read(folder, "arrays", layout="idx", **files)
    assert np.asarray(dataset.labels).tolist() == [0, 1, 9, 9]
    assert dataset.images[0].source.open().size == (28, 28)
    assert len({image.source.key() for image in dataset.images}) == 4


def test_bad_arrays_are_refused_in_one_line(tmp_path: Path) -> None:
    def line(data: bytes, layout: str, **options: Any) -> str:
        (tmp_path / "x").write_bytes(data)
        (tmp_path / "y").write_bytes(struct.pack(">HBBI", 0, 8, 1, 1) + b"\0")
        return refused(tmp_path, "arrays", layout=layout, file="x", **options)

    assert "its size is not a multiple of 3,073 bytes" in line(b"0" * 3072, "cifar10")
    assert "its size is not a multiple of 3,074 bytes" in line(b"", "cifar100")
    assert "its labels are in another file" in line(b"0" * 27648, "stl10")
    assert "but 9 labels belong to them" in line(b"0" * 27648, "stl10", labels="y")
    head = struct.pack(">HBBIII", 0, 8, 3, 2**31, 28, 28)
    assert "it declares 2,147,483,648 images of 28 x 28 pixels" in line(head, "idx", labels="y")
    assert "but has another size" in line(struct.pack(">HBBIII", 0, 8, 3, 2, 28, 28), "idx", labels="y")
    assert "is not an array of bytes with 3 axes" in line(b"\0\0\x0d\x03" + b"\0" * 20, "idx", labels="y")
    assert "cannot be read as idx" in line(b"", "idx", labels="y")
