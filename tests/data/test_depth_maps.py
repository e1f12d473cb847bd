"""Depth maps as people have them: layouts, scales, gaps, and files that are no depth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import one_line
from PIL import Image

from goldieval.core.errors import TaskError
from goldieval.data import decode, depth
from goldieval.data.depth import DepthScale, FileDepth
from goldieval.data.depth_check import check_depths
from goldieval.data.depth_files import DepthMapsSource
from goldieval.data.remembered import reading_once
from goldieval.data.samples import Dataset

MILLIMETRES = DepthScale(0.001)
SHAPE = (6, 8)


def put_picture(file: Path, size: tuple[int, int] = SHAPE[::-1]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 40, 200)).save(file)


def put_depth(file: Path, values: Any = 2_000) -> Path:
    """Write a map of these values: 16-bit PNG, or an array with its own type."""
    file.parent.mkdir(parents=True, exist_ok=True)
    full = np.broadcast_to(values, SHAPE if np.ndim(values) < 2 else np.shape(values))
    if file.suffix == ".npy":
        np.save(file, full)
    else:
        Image.fromarray(full.astype(np.uint16)).save(file)
    return file


def read(folder: Path, **source: Any) -> Dataset:
    about = {"reader": "depth-maps", "path": "mine", "metres_per_unit": 0.001} | source
    return DepthMapsSource.model_validate(about).read(folder)


def names(dataset: Dataset) -> list[str]:
    return [image.path for image in dataset.images]


@pytest.fixture
def nyu(tmp_path: Path) -> Path:
    """Two tested and three trained pictures in the layout of mmsegmentation."""
    for split, count in (("test", 2), ("train", 3)):
        for number in range(count):
            put_picture(tmp_path / f"images/{split}/kitchen_0001a_{number:05d}.jpg")
            put_depth(tmp_path / f"annotations/{split}/kitchen_0001a_{number:05d}.png", 1_000 * number + 500)
    return tmp_path


IN_FOLDERS: dict[str, Any] = {
    "images": "images/test",
    "depths": "annotations/test",
    "train": {"images": "images/train", "depths": "annotations/train"},
}


def test_folders_of_mmsegmentation(nyu: Path) -> None:
    dataset = read(nyu, **IN_FOLDERS)
    assert names(dataset)[0] == "images/test/kitchen_0001a_00000.jpg" and len(dataset.images) == 5
    assert dataset.train is not None and dataset.train.tolist() == [False] * 2 + [True] * 3
    assert dataset.depths is not None and dataset.depths[-1].read() == pytest.approx(np.full(SHAPE, 2.5))


def test_eigen_split_lists(tmp_path: Path) -> None:
    for scene, split in (("kitchen_0028b", "sync"), ("office", "official_splits/test")):
        put_picture(tmp_path / f"{split}/{scene}/rgb_00045.jpg")
        put_depth(tmp_path / f"{split}/{scene}/sync_depth_00045.png", 3_210)
    line = "/{0}/rgb_00045.jpg /{0}/sync_depth_00045.png 518.8579\n"
    (tmp_path / "test.txt").write_text(line.format("office") + "\n")
    (tmp_path / "train.txt").write_text(line.format("kitchen_0028b"))
    train = {"pairs": "train.txt", "images": "sync"}
    dataset = read(tmp_path, pairs="test.txt", images="official_splits/test", train=train)
    assert names(dataset) == ["official_splits/test/office/rgb_00045.jpg", "sync/kitchen_0028b/rgb_00045.jpg"]
    assert dataset.depths is not None and dataset.depths[0].read()[0, 0] == np.float32(3.21)


def test_lists_with_commas_may_have_spaces_in_names(tmp_path: Path) -> None:
    put_picture(tmp_path / "a b/1.jpg")
    put_depth(tmp_path / "a b/1.png")
    (tmp_path / "l.csv").write_text("a b/1.jpg,a b/1.png\n")
    assert names(read(tmp_path, pairs="l.csv")) == ["a b/1.jpg"]


def test_pictures_and_maps_in_one_folder(tmp_path: Path) -> None:
    put_picture(tmp_path / "all/1_rgb.png")
    put_depth(tmp_path / "all/1_depth.png")
    found = read(tmp_path, images="all", depths="all", image_suffix="_rgb.png", depth_suffix="_depth.png")
    assert names(found) == ["all/1_rgb.png"] and not found.notes


def test_maps_below_the_pictures_are_no_pictures(tmp_path: Path) -> None:
    put_picture(tmp_path / "all/1.png")
    put_depth(tmp_path / "all/depth/1.png")
    found = read(tmp_path, images="all", depths="all/depth")
    assert names(found) == ["all/1.png"] and not found.notes


def test_maps_without_a_picture_are_counted(nyu: Path) -> None:
    put_depth(nyu / "annotations/test/other.png")
    assert read(nyu, **IN_FOLDERS).notes == ["left out: 1 .png (depth maps without a picture)"]


@pytest.mark.parametrize("listed", [False, True])
def test_pictures_without_a_map_are_an_error_or_counted(listed: bool, nyu: Path) -> None:
    source = {**IN_FOLDERS, "train": {"images": "images/train", "depths": "annotations/train"}}
    if listed:
        line = "kitchen_0001a_{0:05d}.jpg kitchen_0001a_{0:05d}.png\n"
        (nyu / "l.txt").write_text("kitchen_0001a_00000.jpg None 1.0\n" + line.format(1))
        source |= {"pairs": "l.txt", "train": []}
    else:
        (nyu / "annotations/test/kitchen_0001a_00000.png").unlink()
    with pytest.raises(TaskError, match="1 of 2 images have no depth map") as caught:
        read(nyu, **source)
    assert "without_depth: leave out" in one_line(str(caught.value))
    found = read(nyu, **source, without_depth="leave out")
    assert names(found)[0].endswith("_00001.jpg") and found.notes == ["left out: 1 .jpg (images without a depth map)"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("only.jpg", "l.txt:2: 'only.jpg' does not name"),
        ("../a.jpg b.png", "l.txt:2: .*would leave its folder"),
        ("a.jpg ../../b.png", "l.txt:2: .*would leave its folder"),
        ("a\x1b[31m.jpg", "l.txt:2: "),
    ],
)
def test_lines_of_lists_are_checked(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_text(f"1.jpg 1.png\n{line}\n")
    with pytest.raises(TaskError, match=message):
        read(tmp_path, pairs="l.txt")


def test_an_empty_list_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_text("\n")
    (tmp_path / "images").mkdir()
    with pytest.raises(TaskError, match="lists no images"):
        read(tmp_path, pairs="l.txt")
    with pytest.raises(TaskError, match="holds no images"):
        read(tmp_path, images="images", depths="images")


def test_a_picture_in_both_splits_is_refused(nyu: Path) -> None:
    with pytest.raises(TaskError, match="both trained and tested on"):
        read(nyu, **{**IN_FOLDERS, "train": {"depths": "annotations/train", "images": "images/test"}})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"metres_per_unit": 0}, "metres_per_unit"),
        ({"metres_per_unit": float("nan")}, "metres_per_unit"),
        ({"unknown": ["NaN?"]}, "unknown"),
        ({"images": ""}, "name the folders"),
        ({"train": {}}, "train"),
    ],
)
def test_cards_are_checked(source: dict[str, Any], message: str, nyu: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read(nyu, **{**IN_FOLDERS, **source})


# Values


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.uint16, np.int32, ">f4", ">u2"])
def test_arrays_of_numbers_in_any_type_and_order(kind: Any, tmp_path: Path) -> None:
    values = np.asfortranarray(np.arange(48).reshape(SHAPE).astype(kind))
    file = put_depth(tmp_path / "d.npy", values)
    np.save(file, values)
    found = FileDepth(file, DepthScale(0.5)).read()
    assert found.dtype == np.float32 and np.array_equal(found, np.arange(48).reshape(SHAPE) * 0.5)


def test_unknown_values_are_zero(tmp_path: Path) -> None:
    values = np.full(SHAPE, 2.0)
    values[0, :4] = [np.nan, np.inf, -1, 99]
    file = put_depth(tmp_path / "d.npy", values)
    found = FileDepth(file, DepthScale(1.0, ("nan", "inf", "negative", 99.0))).read()
    assert found[0, :4].tolist() == [0] * 4 and (found[1:] == 2).all()


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (np.nan, "1 nan. If those are pixels of unknown depth, list the words in source.unknown"),
        (-np.inf, "1 inf, 1 negative"),
        (-0.001, "1 negative"),
        (1e300, "too large for a number"),
    ],
)
def test_values_that_are_no_depth_are_refused(value: float, line: str, tmp_path: Path) -> None:
    values = np.full(SHAPE, 2.0)
    values[2, 3] = value
    with pytest.raises(TaskError) as caught:
        FileDepth(put_depth(tmp_path / "d.npy", values), DepthScale(1.0)).read()
    assert line in one_line(str(caught.value)) and "d.npy" in str(caught.value)


@pytest.mark.parametrize("name", ["d.png", "d.npy"])
def test_depths_cut_off_at_16_bits_are_refused_unless_that_marks_unknown(name: str, tmp_path: Path) -> None:
    values = np.full(SHAPE, 500, dtype=np.uint16)
    values[0, 0] = 65_535
    file = put_depth(tmp_path / name, values)
    with pytest.raises(TaskError, match="65,535, the largest value of 16 bits"):
        FileDepth(file, MILLIMETRES).read()
    assert FileDepth(file, DepthScale(0.001, (65_535.0,))).read()[0].tolist() == [0.0, *[np.float32(0.5)] * 7]


def _colours(file: Path) -> None:
    Image.new("RGB", (8, 6)).save(file)


def _eight_bits(file: Path) -> None:
    Image.new("L", (8, 6), 40).save(file)


def _jpeg(file: Path) -> None:
    Image.new("L", (8, 6), 40).save(file, "JPEG")


def _damaged(file: Path) -> None:
    put_depth(file)
    file.write_bytes(file.read_bytes()[:-30])


@pytest.mark.parametrize(
    ("write", "line"),
    [
        (_colours, "mode RGB, not of 16-bit greyscale"),
        (_eight_bits, "mode L, not of 16-bit greyscale"),
        (_jpeg, "is a JPEG in spite of its name"),
        (_damaged, "cannot be read"),
        (lambda file: file.write_bytes(b""), "cannot be read"),
        (lambda file: file.mkdir(), "cannot be read"),
    ],
)
def test_other_pictures_are_refused(write: Any, line: str, tmp_path: Path) -> None:
    write(tmp_path / "d.png")
    with pytest.raises(TaskError) as caught:
        FileDepth(tmp_path / "d.png", MILLIMETRES).read()
    assert line in one_line(str(caught.value))


def _objects(file: Path) -> None:
    np.save(file, np.array([[{}]], dtype=object), allow_pickle=True)


def _cut(file: Path) -> None:
    np.save(file, np.ones(SHAPE))
    file.write_bytes(file.read_bytes()[:-1])


def _declared(shape: str) -> Any:
    """Return a function that writes an array without content whose header declares a shape."""

    def write(file: Path) -> None:
        header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
        file.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)

    return write


@pytest.mark.parametrize(
    ("write", "line"),
    [
        (lambda file: np.save(file, np.ones((2, 3, 3))), "has the shape (2, 3, 3)"),
        (lambda file: np.save(file, np.ones(3)), "has the shape (3,)"),
        (lambda file: np.save(file, np.ones((0, 3))), "but holds float64 of shape (0, 3)"),
        (lambda file: np.save(file, np.ones((2, 2), dtype=complex)), "but holds complex128"),
        (lambda file: np.save(file, np.ones((2, 2), dtype=bool)), "but holds bool"),
        (_objects, "but holds object"),
        (_cut, "but holds float64"),
        (_declared("(99999999, 99999999)"), "but holds float32 of shape (99999999, 99999999)"),
        (_declared("(-1, -1)"), "but holds float32 of shape (-1, -1)"),
        (lambda file: file.write_bytes(b"PK\x03\x04"), "is not a .npy file"),
    ],
)
def test_other_arrays_are_refused(write: Any, line: str, tmp_path: Path) -> None:
    write(tmp_path / "d.npy")
    with pytest.raises(TaskError) as caught:
        FileDepth(tmp_path / "d.npy", DepthScale(1.0)).read()
    assert line in one_line(str(caught.value))


def test_matlab_files_say_how_to_convert_them(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="HDF5, which h5py reads"):
        FileDepth(tmp_path / "nyu_depth_v2_labeled.mat", MILLIMETRES).read()


def test_absurd_sizes_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = [put_depth(tmp_path / name, np.full((40, 50), 1_000, dtype=np.uint16)) for name in ("d.png", "d.npy")]
    monkeypatch.setenv(decode.LIMIT, "1999")
    for file in files:
        with pytest.raises(TaskError, match="1,999"):
            FileDepth(file, MILLIMETRES).read()
    monkeypatch.delenv(decode.LIMIT)
    monkeypatch.setattr(depth, "PICTURE_BYTES", 50)
    with pytest.raises(TaskError, match="larger than 50 bytes"):
        FileDepth(files[1], MILLIMETRES).read()


# The check of all maps


def test_keys_follow_content_and_scale(tmp_path: Path) -> None:
    file = put_depth(tmp_path / "d.png")
    keys = {FileDepth(file, scale).key() for scale in (MILLIMETRES, DepthScale(0.002), DepthScale(0.001, (0.0, 7.0)))}
    assert len(keys) == 3 and FileDepth(file, MILLIMETRES).key() in keys
    put_depth(file, 2_001)
    assert FileDepth(file, MILLIMETRES).key() not in keys


def test_summary_has_range_and_gaps_and_is_remembered(nyu: Path) -> None:
    gaps = np.full(SHAPE, 700)
    gaps[:3] = 0
    put_depth(nyu / "annotations/test/kitchen_0001a_00000.png", gaps)
    dataset = read(nyu, **IN_FOLDERS)
    assert dataset.depths is not None
    for _ in range(2):
        with reading_once(nyu / "store"):
            found = check_depths(dataset.images, dataset.depths, 2)
        assert (found.known, found.unknown) == (4 * 48 + 24, 24)
        assert found.summary == "depths from 0.5 to 2.5 m, unknown in 10.0 % of the pixels"
        assert found.keys == [each.key() for each in dataset.depths]


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (np.full((8, 6), 900), "is 8 x 6 pixels, its depth map 6 x 8"),
        (np.zeros(SHAPE), "knows no depth"),
    ],
)
def test_maps_that_do_not_fit_are_named(values: np.ndarray, line: str, nyu: Path) -> None:
    put_depth(nyu / "annotations/train/kitchen_0001a_00001.png", values)
    dataset = read(nyu, **IN_FOLDERS)
    assert dataset.depths is not None
    with pytest.raises(TaskError, match="1 of 5 depth maps do not fit: ") as caught:
        check_depths(dataset.images, dataset.depths, 2)
    assert line in one_line(str(caught.value)) and "images/train/kitchen_0001a_00001.jpg" in str(caught.value)
