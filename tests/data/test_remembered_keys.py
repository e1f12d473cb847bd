"""Keys of unchanged files are remembered, changed files are read again, and bytes are read once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from goldieval.core.errors import TaskError
from goldieval.data.content_keys import image_keys
from goldieval.data.image_source import ChangedError, FileImage, open_planned
from goldieval.data.kept_bytes import KEPT, KeptBytes
from goldieval.data.mask_check import check_masks
from goldieval.data.masks import FileMask, label_table
from goldieval.data.remembered import reading_once
from goldieval.data.row_memory import RowMemory
from goldieval.data.samples import ImageSample
from goldieval.data.tar_samples import TarImage

OLD_NS = 3_000_000_000


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that were just written are older than the two seconds in which a change could go unnoticed."""
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + OLD_NS)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read."""
    names: list[str] = []
    for kind in (FileImage, TarImage):
        real = kind.read

        def read(image: FileImage | TarImage, real: Callable[..., bytes] = real) -> bytes:
            names.append((image.file if isinstance(image, FileImage) else image.tar).name)
            return real(image)

        monkeypatch.setattr(kind, "read", read)
    return names


def pictures(folder: Path, count: int = 3) -> list[FileImage]:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (5, 4), (number, 0, 0)).save(folder / f"{number}.png")
    return [FileImage(folder / f"{number}.png") for number in range(count)]


def keys_of(sources: list[FileImage], store: Path | None) -> list[str]:
    with reading_once(store):
        return [str(key) for key in image_keys(sources, 2)]


@pytest.mark.usefixtures("later")
def test_unchanged_files_are_not_read_again(tmp_path: Path, reads: list[str]) -> None:
    sources = pictures(tmp_path / "data/a")
    first = keys_of(sources, tmp_path / "store")
    assert first == [source.key() for source in sources] and len(set(first)) == 3
    reads.clear()
    assert keys_of(sources, tmp_path / "store") == first and reads == []
    assert keys_of([*sources, *pictures(tmp_path / "data/b", 1)], tmp_path / "store")[:3] == first and reads == [
        "0.png"
    ]
    reads.clear()
    assert keys_of(sources, None) == first and len(reads) == 3


def replace_with_times(file: Path) -> None:
    about = file.stat()
    content = bytearray(file.read_bytes())
    content[-20] ^= 1
    file.unlink()
    file.write_bytes(content)
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))


def retarget(file: Path) -> None:
    other = file.with_name("other.png")
    Image.new("RGB", (5, 4), (9, 9, 9)).save(other)
    file.unlink()
    file.symlink_to(other)


CHANGES: dict[str, Callable[[Path], object]] = {
    "another content": lambda file: Image.new("RGB", (5, 4), (200, 1, 1)).save(file),
    "same size and time of modification": replace_with_times,
    "a link in its place": retarget,
}


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_has_its_new_key(tmp_path: Path, change: str) -> None:
    sources = pictures(tmp_path / "data/a")
    before = keys_of(sources, tmp_path / "store")
    CHANGES[change](sources[1].file)
    after = keys_of(sources, tmp_path / "store")
    assert after == [source.key() for source in sources]
    assert (after[0], after[2]) == (before[0], before[2]) and after[1] != before[1]


def test_what_was_changed_within_two_seconds_or_in_the_future_is_read_again(tmp_path: Path, reads: list[str]) -> None:
    sources = pictures(tmp_path / "data/a")
    for _ in range(2):
        keys_of(sources, tmp_path / "store")
    assert len(reads) == 6
    os.utime(sources[0].file, ns=(0, time.time_ns() + 10**12))
    with pytest.MonkeyPatch.context() as patch:
        real = time.time_ns
        patch.setattr(time, "time_ns", lambda: real() + OLD_NS)
        reads.clear()
        for _ in range(2):
            keys_of(sources, tmp_path / "store")
    assert sorted(reads) == ["0.png", "0.png", "1.png", "2.png"]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "a flipped bit": lambda content: content[:-9] + bytes([content[-9] ^ 4]) + content[-8:],
    "truncated": lambda content: content[:-5],
    "empty": lambda content: b"",
    "another file": lambda content: b"no memory at all, but long enough to hold a head and some more",
}


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_memory_counts_for_nothing_and_is_mended(tmp_path: Path, damage: str, reads: list[str]) -> None:
    sources = pictures(tmp_path / "data/a")
    first = keys_of(sources, tmp_path / "store")
    (file,) = (tmp_path / "store").rglob("*.keys")
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    reads.clear()
    assert keys_of(sources, tmp_path / "store") == first and len(reads) == 3
    assert keys_of(sources, tmp_path / "store") == first and len(reads) == 3


@pytest.mark.usefixtures("later")
def test_a_memory_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("goldieval.data.row_memory.atomic_write", refused)
    sources = pictures(tmp_path / "data/a")
    assert keys_of(sources, tmp_path / "store") == [source.key() for source in sources]


def test_several_writers_lose_nothing(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: RowMemory(tmp_path, "keys", 4).add("group", _row(number)), range(12)))
    rows = RowMemory(tmp_path, "keys", 4).rows("group")
    assert rows == {name: value for number in range(12) for name, value in _row(number).items()}


def _row(number: int) -> dict[bytes, bytes]:
    return {number.to_bytes(16, "big") + bytes(16): number.to_bytes(4, "big")}


def test_a_memory_stays_within_its_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goldieval.data.row_memory.MOST_ROWS", 3)
    memory = RowMemory(tmp_path, "keys", 4)
    for number in range(5):
        memory.add("one", _row(number))
    assert list(memory.rows("one")) == [name for number in (2, 3, 4) for name in _row(number)]
    memory.add("one", {next(iter(_row(3)))[:16] + b"1" * 16: b"new!"})
    assert len(memory.rows("one")) == 3 and next(iter(_row(3))) not in memory.rows("one")
    monkeypatch.setattr("goldieval.data.row_memory.MOST_FOLDER_BYTES", 1)
    memory.add("two", _row(9))
    assert memory.rows("one") == {} and not list(tmp_path.glob("*.keys"))


@pytest.mark.usefixtures("later")
def test_fifty_thousand_keys_load_in_well_under_a_second(tmp_path: Path) -> None:
    memory = RowMemory(tmp_path, "keys", 32)
    memory.add("group", {number.to_bytes(32, "little"): bytes(32) for number in range(50_000)})
    start = time.process_time()
    assert len(memory.rows("group")) == 50_000
    assert time.process_time() - start < 0.5


@pytest.mark.usefixtures("later")
def test_members_of_a_tar_are_remembered_by_the_tar(tmp_path: Path, reads: list[str]) -> None:
    tar = tmp_path / "data/shards/0.tar"
    tar.parent.mkdir(parents=True)
    tar.write_bytes(b"first, second")
    members = [TarImage(tar, 0, 5), TarImage(tar, 7, 6)]
    first = keys_of(members, tmp_path / "store")  # type: ignore[arg-type]
    reads.clear()
    assert keys_of(members, tmp_path / "store") == first and reads == []  # type: ignore[arg-type]
    tar.write_bytes(b"other, second")
    assert keys_of(members, tmp_path / "store")[1] == first[1] and len(reads) == 2  # type: ignore[arg-type]


@pytest.mark.usefixtures("later")
def test_masks_are_checked_once_and_again_when_they_or_their_image_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = pictures(tmp_path / "data/a")
    masks = []
    for number in range(3):
        file = tmp_path / f"data/masks/{number}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((4, 5), number % 2, dtype=np.uint8)).save(file)
        masks.append(FileMask(file, label_table([0, 1], [255])))
    samples = [ImageSample(str(number), image) for number, image in enumerate(images)]
    checked: list[str] = []
    real = FileMask.read
    monkeypatch.setattr(FileMask, "read", lambda mask: checked.append(mask.file.name) or real(mask))

    def check() -> tuple[list[str], list[int], int]:
        with reading_once(tmp_path / "store"):
            found = check_masks(samples, masks, 2, 2)
        return found.keys, found.pixels.tolist(), found.ignored

    first = check()
    assert first == ([mask.key() for mask in masks], [40, 20], 0) and len(checked) == 3
    assert check() == first and len(checked) == 3
    Image.fromarray(np.full((4, 5), 255, dtype=np.uint8)).save(masks[0].file)
    assert check()[1:] == ([20, 20], 20) and checked[3:] == ["0.png"]
    Image.new("RGB", (6, 4)).save(images[2].file)
    for _ in range(2):  # a fault is not remembered
        with pytest.raises(TaskError, match=r"1 of 3 masks do not fit: 2 is 6 x 4 pixels, its mask 5 x 4"):
            check()


def test_a_file_is_read_once_for_its_key_and_its_pixels(tmp_path: Path, reads: list[str]) -> None:
    sources = pictures(tmp_path / "a")
    with reading_once(None):
        keys = image_keys(sources, 2)
        for source, key in zip(sources, keys, strict=True):
            assert open_planned(source, str(key)).size == (5, 4)
        assert len(reads) == 3
        open_planned(sources[0], str(keys[0]))
        assert len(reads) == 4  # dropped when it was decoded
    image_keys(sources, 2)
    assert KEPT.taken(str(keys[1])) is None  # nothing is kept outside


def test_kept_bytes_have_a_limit() -> None:
    kept = KeptBytes()
    with kept.keeping(10):
        kept.keep("a", b"123456")
        kept.keep("b", b"12345")
        kept.keep("c", b"1234")
        assert (kept.taken("a"), kept.taken("b"), kept.taken("c")) == (b"123456", None, b"1234")
        kept.keep("b", b"12345")
        assert kept.taken("b") == b"12345"
    kept.keep("a", b"1")
    assert kept.taken("a") is None


def test_a_file_that_changes_after_the_plan_is_an_error_of_that_picture(tmp_path: Path) -> None:
    (source,) = pictures(tmp_path, 1)
    key = source.key()
    Image.new("RGB", (5, 4), (77, 0, 0)).save(source.file)
    with pytest.raises(ChangedError, match="changed during the run: run the same command again"):
        open_planned(source, key)
