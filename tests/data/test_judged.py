"""Judged pairs, captions by language, parallel lines, Flickr's lines and image pairs: what is read, what is refused."""

from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import json_lines
from reader_cases import captions_of, read, refused

JUDGED = {
    "annotations": "a.json",
    "images": ".",
    "captions": "c.npy",
    "caption_to_image": "t.json",
    "image_to_caption": "i.json",
}


def judged(folder: Path, **changed: Any) -> dict[str, str]:
    """Write two images with two captions each, of which three are in the gallery."""
    images = [{"id": row, "file_name": f"{row}.jpg"} for row in (7, 3)]
    captions = [{"id": 10 * row + n, "image_id": row, "caption": f"c{n} of {row}"} for row in (3, 7) for n in (0, 1)]
    files: dict[str, Any] = {
        "a.json": {"images": images, "annotations": captions},
        "t.json": {"70": [7, 3], "30": [3]},
        "i.json": {"7": [70, 71], "3": [30, 70, 31]},
    }
    for name, value in {**files, **changed}.items():
        if name.endswith(".json"):
            (folder / name).write_text(json.dumps(value))
    np.save(folder / "c.npy", changed.get("c.npy", np.array([70, 71, 30])))
    return JUDGED


def test_judged_pairs_are_positives_and_say_which_are_queries(tmp_path: Path) -> None:
    dataset = read(tmp_path, "judged", **judged(tmp_path))
    assert [text.id for text in dataset.texts] == ["70", "71", "30"]
    assert [image.id for image in dataset.images] == ["7.jpg", "3.jpg"]
    assert dataset.owner is not None and dataset.owner.tolist() == [0, 0, 1]
    assert dataset.positives is not None
    assert dataset.positives.tolist() == [[0, 0], [0, 1], [1, 0], [2, 1]]
    assert dataset.text_queries is not None and dataset.text_queries.tolist() == [True, False, True]
    assert dataset.image_queries is not None and dataset.image_queries.all()
    assert dataset.absent_positives is not None and dataset.absent_positives.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"c.npy": np.array([70, 99])}, "lacks 1 of 2 captions: 99"),
        ({"c.npy": np.array([70, 70])}, "duplicate caption ids: 70"),
        ({"c.npy": np.array([0.5])}, "should hold a list of whole numbers"),
        ({"c.npy": np.zeros((2, 2), dtype=int)}, "should hold a list of whole numbers"),
        ({"c.npy": np.array([], dtype=int)}, "holds no caption id"),
        ({"t.json": {"70": [7, 3], "71": []}}, "'71' should have a list of ids"),
        ({"t.json": {"99": [7]}}, "1 ids are not in the gallery: 99"),
        ({"t.json": {"70": [5]}}, "names 1 images without a caption in c.npy: 5"),
        ({"t.json": [1]}, "should map ids to lists of ids"),
        ({"t.json": {"70": [7], "30": [3]}}, "1 pairs are true in one direction and not in the other: caption 70 and"),
    ],
)
def test_bad_judgements_are_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    assert message in refused(tmp_path, "judged", **judged(tmp_path, **changed))


def test_a_list_of_objects_or_of_an_absurd_size_is_not_unpickled(tmp_path: Path) -> None:
    options = judged(tmp_path)
    (tmp_path / "c.npy").write_bytes(pickle.dumps([1, 2]))
    assert "as NumPy saves it" in refused(tmp_path, "judged", **options)
    np.save(tmp_path / "c.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert "as NumPy saves it" in refused(tmp_path, "judged", **options)
    np.save(tmp_path / "c.npy", np.array([70]))
    claimed = (tmp_path / "c.npy").read_bytes().replace(b"(1,)", b"(9999999999999,)".ljust(4))
    (tmp_path / "c.npy").write_bytes(claimed)
    assert "as NumPy saves it" in refused(tmp_path, "judged", **options)


def test_a_table_with_a_column_for_each_language(tmp_path: Path) -> None:
    rows = [{"image/key": f"p{n}", "de": {"caption": [f"{n}", "mehr"]}, "zh": {"caption": [f"{n}"]}} for n in (1, 2)]
    json_lines(tmp_path / "t.jsonl", rows)
    options = {"file": "t.jsonl", "image": "image/key", "picture": "{}.jpg", "caption": "{}.caption"}
    dataset = read(tmp_path, "language-table", languages=["de", "zh"], **options)
    assert [text.id for text in dataset.texts] == ["p1#de0", "p1#de1", "p2#de0", "p2#de1", "p1#zh0", "p2#zh0"]
    assert dataset.strata["zh"].tolist() == [False] * 4 + [True] * 2
    assert dataset.images[0].path == "p1.jpg"
    first = read(tmp_path, "language-table", languages=["de"], first=1, **options)
    assert captions_of(first) == {"p1": ["1"], "p2": ["2"]} and not first.strata
    assert "'fr.caption'" in refused(tmp_path, "language-table", languages=["fr"], **options)


def parallel(folder: Path, *files: bytes) -> dict[str, Any]:
    (folder / "l.txt").write_text("a.jpg\nb.jpg\n")
    for number, content in enumerate(files):
        (folder / f"{number}.gz").write_bytes(content)
    return {"listed": "l.txt", "images": ".", "captions": {"de": [f"{n}.gz" for n in range(len(files))]}}


def test_parallel_lines_belong_to_the_images_of_a_list(tmp_path: Path) -> None:
    options = parallel(tmp_path, gzip.compress(b"eins\nzwei\n"), gzip.compress(b"drei\nvier"))
    assert captions_of(read(tmp_path, "parallel-lines", **options)) == {
        "a.jpg": ["eins", "drei"],
        "b.jpg": ["zwei", "vier"],
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"eins\n"), "has 1 lines, but l.txt 2"),
        (gzip.compress(b"eins\n\nzwei"), "0.gz:2: an empty line"),
        (b"eins\nzwei", "cannot unpack"),
        (gzip.compress(b"eins\nzwei")[:-9], "cannot unpack"),
        (gzip.compress(b"eins\n\xff"), "is not UTF-8"),
    ],
    ids=["short", "empty line", "not packed", "cut", "not UTF-8"],
)
def test_bad_parallel_lines_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in refused(tmp_path, "parallel-lines", **parallel(tmp_path, content))


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goldieval.data.parallel_lines.TEXT_BYTES", 1000)
    assert "unpacks to more than 1,000 bytes" in refused(
        tmp_path, "parallel-lines", **parallel(tmp_path, gzip.compress(b"a" * 2000))
    )


def test_what_follows_the_first_comma_is_the_caption(tmp_path: Path) -> None:
    lines = ["image,comment", 'a.jpg,"A cat", he said, sits.', "a.jpg, 一只猫。", "b.x,y.PNG,c"]
    (tmp_path / "c.txt").write_text("\n".join(lines), encoding="utf-8")
    dataset = read(tmp_path, "caption-lines", file="c.txt")
    assert captions_of(dataset) == {"a.jpg": ['"A cat", he said, sits.', "一只猫。"], "b.x,y.PNG": ["c"]}
    (tmp_path / "c.txt").write_text("a.jpg,b\nno picture here")
    assert "c.txt:2: expected the name of an image, a comma" in refused(tmp_path, "caption-lines", file="c.txt")
    (tmp_path / "c.txt").write_text("image,caption")
    assert "holds no line" in refused(tmp_path, "caption-lines", file="c.txt")


def test_pairs_of_images_count_in_both_orders_from_a_score_on(tmp_path: Path) -> None:
    (tmp_path / "g.txt").write_text("a.jpg\nb.jpg\nc.jpg")
    (tmp_path / "p.csv").write_text("image1,image2,score\na.jpg,b.jpg,2.5\na.jpg,c.jpg,2.49\nc.jpg,c.jpg,5\n")
    options = {"gallery": "g.txt", "file": "p.csv", "at_least": {"score": 2.5}}
    dataset = read(tmp_path, "image-pairs", **options)
    assert dataset.alike is not None and dataset.alike.tolist() == [[0, 1], [1, 0]]
    (tmp_path / "p.csv").write_text("image1,image2,score\na.jpg,d.jpg,3\n")
    assert "p.csv:2: 'd.jpg' is not in g.txt" in refused(tmp_path, "image-pairs", **options)
    (tmp_path / "p.csv").write_text("image1,image2,score\na.jpg,b.jpg,high\n")
    assert "'score' should be a number, but is 'high'" in refused(tmp_path, "image-pairs", **options)
