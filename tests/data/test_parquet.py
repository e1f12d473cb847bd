"""Readers: Parquet files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import png_bytes
from reader_cases import CAPTIONS, captions_of, images, labels_of, parquet, read, refused, texts_of

from goldieval.core.errors import TaskError

pytestmark = pytest.mark.usefixtures("cache")


def test_parquet_reads_labels_over_files(tmp_path: Path) -> None:
    parquet(tmp_path / "0.parquet", {"image": images(0, 1), "label": [0, 1]})
    parquet(tmp_path / "1.parquet", {"image": images(2), "label": [1]})
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    dataset = read(tmp_path, "parquet", label="label", classes="classes.txt")
    assert labels_of(dataset) == {"0.parquet#0": 0, "0.parquet#1": 1, "1.parquet#0": 1}
    assert dataset.class_names == ["dog", "cat"] and dataset.images[2].source.open().size == (8, 8)


def test_parquet_reads_plain_bytes_and_uneven_captions_by_id_in_any_order(tmp_path: Path) -> None:
    rows = list(enumerate(CAPTIONS.items()))
    for place, order in (("a", rows), ("b", rows[::-1])):
        columns = {
            "image": [png_bytes(seed) for seed, _ in order],
            "name": [name for _, (name, _) in order],
            "captions": [texts for _, (_, texts) in order],
        }
        parquet(tmp_path / place / "x.parquet", columns)
    a, b = (read(tmp_path / place, "parquet", id_column="name", caption="captions") for place in "ab")
    assert captions_of(a) == captions_of(b) == CAPTIONS and texts_of(a) == texts_of(b)
    assert {image.id: image.source.key() for image in a.images} == {image.id: image.source.key() for image in b.images}


def test_parquet_takes_class_names_from_the_file_itself(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["dog", "cat"])})
    table = datasets.Dataset.from_dict({"image": images(0), "label": [1]}, features=features)
    table.to_parquet(str(tmp_path / "0.parquet"))
    dataset = read(tmp_path, "parquet", label="label")
    assert dataset.class_names == ["dog", "cat"] and labels_of(dataset) == {"0.parquet#0": 1}


def test_parquet_class_names_of_the_hub_are_read_from_the_schema_and_checked(tmp_path: Path) -> None:
    """No library of the Hub is needed for them; labels are indices, also where a name is another's number."""

    def read_with(names: object, labels: list[Any]) -> Any:
        features = {"label": {"names": names, "_type": "ClassLabel"}}
        about = {"huggingface": json.dumps({"info": {"features": features}})}
        table = pa.table({"image": images(*range(len(labels))), "label": labels})
        pq.write_table(table.replace_schema_metadata(about), tmp_path / "0.parquet")
        return read(tmp_path, "parquet", label="label")

    assert list(labels_of(read_with(["1", "0"], [1, 0])).values()) == [1, 0]
    assert list(labels_of(read_with(["dog", "cat"], ["cat", "dog"])).values()) == [1, 0]
    for names, line in (("dog", "not a list of texts"), (["a", 1], "not a list of texts"), (["a", "a"], "has a twice")):
        with pytest.raises(TaskError, match=f"0.parquet, column 'label': .*{line}"):
            read_with(names, [0])
    about = {"huggingface": "{"}
    pq.write_table(pa.table({"image": images(0)}).replace_schema_metadata(about), tmp_path / "0.parquet")
    with pytest.raises(TaskError, match=r"0.parquet as parquet"):
        read(tmp_path, "parquet")


def test_parquet_that_changed_is_unpacked_again(tmp_path: Path) -> None:
    for captions in (["one"], ["two"], ["three and more"]):
        parquet(tmp_path / "0.parquet", {"image": images(0), "caption": captions})
        assert list(texts_of(read(tmp_path, "parquet", caption="caption")).values()) == captions


def test_parquet_of_several_groups_and_dictionaries_is_one_table(tmp_path: Path) -> None:
    """A column of few values is kept as a dictionary, each group with its own; a mapped file takes them all."""
    captions = [f"caption {number % 70}" for number in range(250)]
    table = pa.table({"image": images(*range(250)), "caption": pa.array(captions).dictionary_encode()})
    pq.write_table(table, tmp_path / "0.parquet", row_group_size=60)
    dataset = read(tmp_path, "parquet", caption="caption")
    assert list(texts_of(dataset).values()) == captions
    assert len({image.source.key() for image in dataset.images}) == 250


def test_parquet_labels_by_name_follow_the_class_file_or_the_alphabet(tmp_path: Path) -> None:
    parquet(tmp_path / "0.parquet", {"image": images(0, 1), "label": ["cat", "dog"]})
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    assert list(labels_of(read(tmp_path, "parquet", label="label", classes="classes.txt")).values()) == [1, 0]
    by_name = read(tmp_path, "parquet", label="label")
    assert list(labels_of(by_name).values()) == [0, 1] and by_name.class_names == ["cat", "dog"]


@pytest.mark.parametrize(
    ("columns", "options", "line"),
    [
        ({"image": images(0), "text": ["x"]}, {"caption": "caption"}, "0.parquet has no column caption; it has"),
        ({"label": [0]}, {"label": "label"}, "0.parquet has no column image"),
        ({"image": images(0, 1), "label": [0, None]}, {"label": "label"}, "0.parquet#1: empty label"),
        ({"image": images(0), "label": [2]}, {"label": "label"}, "1 labels outside 0..1: 0.parquet#0 (2)"),
        ({"image": images(0), "label": [0.5]}, {"label": "label"}, "0.5"),
        ({"image": images(0, 1), "caption": ["x", None]}, {"caption": "caption"}, "0.parquet#1"),
        ({"image": images(0), "caption": [["x", None]]}, {"caption": "caption"}, "0.parquet#0"),
        ({"image": images(0), "caption": [""]}, {"caption": "caption"}, "0.parquet#0: empty caption"),
        ({"image": images(0, 1), "id": [7, 7]}, {"id_column": "id"}, "1 duplicate image ids: 7"),
    ],
)
def test_fault_in_a_parquet_file_is_named(
    tmp_path: Path, columns: dict[str, Any], options: dict[str, str], line: str
) -> None:
    parquet(tmp_path / "0.parquet", columns)
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    assert line in refused(tmp_path, "parquet", classes="classes.txt" if "label" in options else "", **options)


def test_broken_parquet_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "0.parquet").write_bytes(b"PAR1 and then nothing")
    assert "0.parquet as parquet" in refused(tmp_path, "parquet", label="label")


def test_parquet_row_without_a_picture_is_an_unreadable_image(tmp_path: Path) -> None:
    parquet(tmp_path / "0.parquet", {"image": [None, png_bytes()], "label": [0, 0]})
    dataset = read(tmp_path, "parquet", label="label")
    with pytest.raises(OSError, match="row 0"):
        dataset.images[0].source.key()
    assert dataset.images[1].source.key()
