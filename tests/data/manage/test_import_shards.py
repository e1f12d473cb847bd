"""Import of tar shards as img2dataset and others write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers import png_bytes, tar
from import_cases import card_of, output_of, refused
from reader_cases import parquet


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def sample(number: int, **content: Any) -> dict[str, bytes]:
    key = f"{number:09d}"
    about = {"key": key, "status": "success", "url": "http://x.example/a b c"} | content
    return {f"{key}.png": png_bytes(number), f"{key}.json": json.dumps(about).encode()}


def img2dataset(folder: str, shards: int = 2) -> None:
    """Write shards with their statistics, and one failed download in each."""
    for shard in range(shards):
        members = {}
        for number in range(2):
            text = f"image {number} of shard {shard}"
            members |= sample(10 * shard + number, caption=text) | {f"{10 * shard + number:09d}.txt": text.encode()}
        members[f"{10 * shard + 2:09d}.json"] = json.dumps({"caption": "gone", "status": "failed_to_download"}).encode()
        tar(Path(folder, f"{shard:05d}.tar"), members)
        Path(folder, f"{shard:05d}_stats.json").write_text(json.dumps({"count": 3}))
        parquet(Path(folder, f"{shard:05d}.parquet"), {"url": ["http://x.example/0.png"], "caption": ["one two three"]})


def test_shards_of_img2dataset() -> None:
    img2dataset("cc/images")
    output = output_of("cc")
    assert "2 shards images/{00000..00001}.tar, captions in 'caption' of .json" in output
    assert "left out: 2 .json, 2 .parquet (lists of the download)" in output
    assert "left out: 2 .json (a sample without an image)" in output
    found = card_of("cc")
    assert found["name"] == "cc" and found["expect"] == {"images": 4, "texts": 4}
    assert found["source"] == {
        "reader": "webdataset",
        "path": "cc",
        "shards": "images/{00000..00001}.tar",
        "caption": "caption",
    }


def test_captions_in_text_files_and_gaps_between_shards() -> None:
    for number in (0, 1, 3):
        members = {f"{number}.png": png_bytes(number), f"{number}.txt": f"cap {number}".encode()}
        tar(Path(f"cc/part-{number}.tar"), members)
    output = output_of("cc")
    assert "3 shards part-[0-9].tar, captions in the lines of .txt" in output
    assert "shards are missing between the first and the last: 2.tar" in output and "3 images, 3 texts" in output


def test_tars_of_any_name_are_one_data_set_and_splits_are_several() -> None:
    for number, name in enumerate(("north", "south")):
        tar(Path(f"birds/{name}.tar"), sample(number, caption=f"a bird in the {name}"))
    assert "2 shards *.tar" in output_of("birds")
    for number, name in enumerate(("train-0", "train-1", "val-0", "val-1")):
        tar(Path(f"fish/{name}.tar"), sample(number, caption=f"a fish in {name}"))
    output = output_of("fish")
    assert "2 shards val-{0..1}.tar" in output and "--file 'train-{0..1}.tar'" in output
    assert "2 shards train-{0..1}.tar" in output_of("fish", "--file", "train-{0..1}.tar")


@pytest.mark.parametrize("content", [b"cat dog eel".split(), b"0 1 2".split()])
def test_labels_in_cls(content: list[bytes]) -> None:
    members = {f"{number}.png": png_bytes(number) for number in range(3)}
    tar(Path("pets/a.tar"), members | {f"{number}.cls": label for number, label in enumerate(content)})
    if content[0] == b"0":
        assert "class numbers (0, 1, 2), but prompts require names" in refused("pets")
        Path("pets/classnames.txt").write_text("cat\ndog\neel\n")
    found = card_of("pets")
    assert found["family"] == "zeroshot" and found["params"]["class_names"] == ["cat", "dog", "eel"]


def test_labels_in_json_are_asked_for_by_an_option() -> None:
    members: dict[str, bytes] = {}
    for number in range(4):
        members |= sample(number, caption="some words for an image", kind=["cat", "dog"][number % 2])
    tar(Path("pets/a.tar"), members)
    assert "captions in 'caption'" in output_of("pets")
    assert card_of("pets", "--label", "kind")["source"]["label"] == "kind"


BAD: dict[str, tuple[bytes | dict[str, bytes], str]] = {
    "no tar": (b"x" * 2000, "a.tar is not a readable tar"),
    "images only": ({"0.png": png_bytes()}, "neither captions (.txt, .json) nor labels (.cls)"),
    "no images": ({"0.txt": b"one"}, "a.tar holds no images that share their name"),
    "damaged json": ({"0.png": png_bytes(), "0.json": b"{"}, "neither captions"),
    "two images": ({"0.png": png_bytes(), "0.jpg": png_bytes(), "0.txt": b"one"}, "has 2 images"),
    "a link": ({"../../0.png": png_bytes(), "../../0.txt": b"one two three"}, ""),
}


@pytest.mark.parametrize("name", BAD)
def test_tars_that_are_no_web_dataset_are_refused_in_one_line(name: str) -> None:
    content, line = BAD[name]
    Path("mine").mkdir()
    if isinstance(content, bytes):
        Path("mine/a.tar").write_bytes(content)
    else:
        tar(Path("mine/a.tar"), content)
    assert line in refused("mine")
