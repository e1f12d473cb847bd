"""Import of Parquet files as the ``datasets`` library writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Features, Image, Sequence, Value
from helpers import png_bytes
from import_cases import card_of, output_of, refused
from reader_cases import parquet

WORDS = ("a red square here", "a tall green tree", "an old man reads", "two dogs run away")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    datasets.disable_progress_bars()


def images(count: int = 4) -> list[dict[str, Any]]:
    return [{"bytes": png_bytes(number), "path": None} for number in range(count)]


def write(file: str, features: dict[str, Any], columns: dict[str, Any]) -> None:
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_dict(columns, features=Features(features)).to_parquet(file)


CAPTIONS: dict[str, tuple[Any, Any, str, int]] = {
    "text": (Value("string"), list(WORDS), "captions", 4),
    "list": (Sequence(Value("string")), [[word, f"{word} too"] for word in WORDS], "captions", 8),
    "mappings": (
        [{"raw": Value("string"), "id": Value("int64")}],
        [[{"raw": w, "id": 1}] for w in WORDS],
        "captions.raw",
        4,
    ),
    "lists": (Sequence({"raw": Value("string")}), [{"raw": [word]} for word in WORDS], "captions.raw", 4),
}


@pytest.mark.parametrize("form", CAPTIONS)
def test_captions_in_any_form(form: str) -> None:
    feature, values, column, count = CAPTIONS[form]
    columns = {"image": images(), "captions": values}
    write("birds/data/test-00000-of-00001.parquet", {"image": Image(), "captions": feature}, columns)
    found = card_of("birds")
    assert found["name"] == "birds" and found["family"] == "retrieval" and found["expect"]["texts"] == count
    assert found["source"] == {
        "reader": "parquet",
        "path": "birds",
        "files": "data/test-*.parquet",
        "image": "image",
        "caption": column,
    }


@pytest.mark.parametrize("named", [True, False])
def test_labels_by_number_and_by_name(named: bool) -> None:
    names = ["tabby_cat", "beagle"]
    feature = ClassLabel(names=names) if named else Value("string")
    values = [number if named else names[number] for number in (0, 1, 1, 0)]
    write("pets/pets.parquet", {"image": Image(), "label": feature}, {"image": images(), "label": values})
    found = card_of("pets")
    assert found["family"] == "zeroshot" and found["source"]["files"] == "pets.parquet"
    assert found["params"]["class_names"] == (["tabby cat", "beagle"] if named else ["beagle", "tabby cat"])


def test_class_names_are_taken_from_the_head_of_a_readme_or_asked_for() -> None:
    parquet(Path("pets/x.parquet"), {"image": images(), "label": [0, 1, 1, 0]})
    assert "class numbers (0, 1), but prompts require names" in refused("pets")
    Path("pets/README.md").write_text(
        "---\ndataset_info:\n  features:\n  - name: image\n    dtype: image\n  - name: label\n    dtype:\n"
        "      class_label:\n        names:\n          '0': cat\n          '1': dog\n---\nPets.\n"
    )
    assert card_of("pets")["params"]["class_names"] == ["cat", "dog"]
    Path("pets/README.md").write_text("---\n: [\n---\n")
    Path("pets/classes.txt").write_text("eel\nbee\n")
    assert card_of("pets", "--name", "more")["params"]["class_names"] == ["eel", "bee"]


def test_of_several_splits_test_is_taken() -> None:
    features = {"image": Image(), "text": Value("string")}
    for split, count in (("train", 4), ("validation", 3), ("test", 2)):
        rows = {"image": images(count), "text": list(WORDS[:count])}
        for part in range(2):
            write(f"birds/data/{split}-0000{part}-of-00002.parquet", features, rows)
    output = output_of("birds")
    assert "2 Parquet files data/test-*.parquet" in output and "4 images, 4 texts" in output
    assert "--file 'data/train-*.parquet'" in output and "--file 'data/validation-*.parquet'" in output
    assert "6 images" in output_of("birds", "--file", "data/validation-*.parquet")


def test_of_a_split_column_test_is_taken() -> None:
    columns = {"image": images(), "caption": list(WORDS), "split": ["train", "train", "test", "test"]}
    parquet(Path("birds/all.parquet"), columns)
    assert "of the splits in 'split', test (2) is taken; edit `where` in the card for train (2)" in output_of("birds")
    assert card_of("birds")["source"]["where"] == {"split": "test"}


def test_names_of_image_files_are_read_beside_the_parquet_file() -> None:
    for number in range(4):
        Path("birds/img").mkdir(parents=True, exist_ok=True)
        Path(f"birds/img/{number}.png").write_bytes(png_bytes(number))
    parquet(Path("birds/t.parquet"), {"path": [f"{number}.png" for number in range(4)], "caption": list(WORDS)})
    found = card_of("birds")
    assert (found["source"]["image"], found["source"]["images"]) == ("path", "img")


def test_images_without_a_caption_are_left_out_or_kept() -> None:
    parquet(Path("birds/t.parquet"), {"image": images(), "caption": [WORDS[0], None, WORDS[1], WORDS[1]]})
    output = output_of("birds")
    assert "left out: 1 image without a caption: t.parquet#1" in output and "3 images, 3 texts" in output
    found = card_of("birds", "--keep-uncaptioned")
    assert found["source"]["uncaptioned"] == "keep" and found["expect"] == {"images": 4, "texts": 3}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no image": ({"a": [1, 2]}, "t.parquet has no column of images; it has a"),
    "two images": (
        {"a": images(2), "b": images(2), "c": list(WORDS[:2])},
        "could both hold the image: add --image",
    ),
    "two captions": ({"a": images(2), "b": list(WORDS[:2]), "c": list(WORDS[2:])}, "add --caption"),
    "no caption": ({"a": images(2), "b": [1.5, 2.5]}, "no column looks like captions or classes; name one of b"),
    "lists of images": ({"a": [images(1)] * 2, "b": list(WORDS[:2])}, "lists of images, as in a, are not read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_clear_is_refused_in_one_line(name: str) -> None:
    columns, line = REFUSED[name]
    parquet(Path("birds/t.parquet"), columns)
    assert line in refused("birds")


@pytest.mark.parametrize("content", [b"", b"PAR1" * 50, b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_damaged_file_is_refused_in_one_line(content: bytes) -> None:
    Path("birds").mkdir()
    Path("birds/t.parquet").write_bytes(content)
    assert "cannot read birds/t.parquet as parquet" in refused("birds")


@pytest.mark.parametrize("metadata", [b'{"info": {"features": {"image": {"_type": "Evil"}}}}', b"[1]", b"{}"])
def test_metadata_of_strangers_leave_the_types_of_the_columns(metadata: bytes) -> None:
    _with_metadata(metadata)
    assert "4 images, 4 texts" in output_of("birds")


@pytest.mark.parametrize("metadata", [b"{", b"\xff"])
def test_damaged_metadata_are_refused_in_one_line(metadata: bytes) -> None:
    _with_metadata(metadata)
    assert "birds/t.parquet as parquet" in refused("birds")


def _with_metadata(metadata: bytes) -> None:
    table = pa.table({"image": images(), "caption": list(WORDS)}).replace_schema_metadata({b"huggingface": metadata})
    Path("birds").mkdir()
    pq.write_table(table, "birds/t.parquet")
