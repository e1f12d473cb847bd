"""Import of true and false captions, and of pairs of images and captions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers import picture, png_bytes
from import_cases import card_of, output_of, refused
from reader_cases import images, parquet


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        picture(Path(f"mine/images/{number}.png"), number)


def items(more: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    return [
        {"filename": f"{n}.png", "caption": f"a cat on box {n}", "negative_caption": f"a box on cat {n}"} | (more or {})
        for n in range(4)
    ]


def write(name: str, content: Any) -> None:
    Path("mine", name).write_text(json.dumps(content))


@pytest.mark.parametrize("mapping", [True, False])
def test_files_like_those_of_sugarcrepe_are_one_task(mapping: bool) -> None:
    for name in ("swap_obj", "add_att"):
        write(f"{name}.json", {str(n): item for n, item in enumerate(items())} if mapping else items())
    output = output_of("mine")
    assert "2 files (add_att.json, swap_obj.json): true captions (caption) against false ones" in output
    assert "it also holds" not in output
    found = card_of("mine")
    assert (found["family"], found["headline"], found["chance"]) == ("choice", "accuracy", 0.5)
    assert found["params"] == {"strata": ["add_att", "swap_obj"]} and found["expect"] == {"images": 4, "texts": 16}
    assert card_of("mine", "--file", "swap_obj.json", "--name", "one")["source"]["files"] == ["swap_obj.json"]


def test_two_true_captions_are_two_queries() -> None:
    write("pp.json", items({"caption2": "on a box there is a cat"}))
    assert "each of caption, caption2 is a query against negative_caption" in output_of("mine")
    assert card_of("mine")["source"]["true"] == ["caption", "caption2"]


def test_foils_with_votes_like_those_of_valse() -> None:
    rows = {}
    for n in range(4):
        votes = {"caption": 3 if n else 1, "foil": 0}
        foil = {"foil": f"a box on cat {n}", "foil_method": "swap the two nouns", "mturk": votes}
        rows[f"x{n}"] = {"image_file": f"{n}.png", "caption": f"a cat on box {n}"} | foil
    write("relations.json", rows)
    assert "left out: 1 items with mturk.caption below 2" in output_of("mine")
    found = card_of("mine")["source"]
    assert found["false"] == "foil" and found["at_least"] == {"mturk.caption": 2}


@pytest.mark.parametrize("extension", ["", ".png"])
def test_pairs_like_those_of_winoground(extension: str) -> None:
    rows = [
        {"id": n, "image_0": f"{2 * n}{extension}", "image_1": f"{2 * n + 1}{extension}", "tag": "Object"}
        | {"caption_0": f"a dog on cat {n}", "caption_1": f"a cat on dog {n}"}
        for n in range(2)
    ]
    Path("mine/examples.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = card_of("mine")
    assert (found["source"]["reader"], found["headline"]) == ("crossed", "group_score")
    assert found["expect"] == {"images": 4, "texts": 4} and found["chance"] == 0.1667


def test_pairs_in_lists_with_addresses_like_those_of_cola() -> None:
    host = "https://x.example/vg/"
    write("m.json", [[f"{host}{2 * n}.png", "a b c", f"{host}{2 * n + 1}.png", "c b a"] for n in range(2)])
    assert card_of("mine")["source"] | {"path": ""} == {
        "reader": "crossed",
        "path": "",
        "file": "m.json",
        "images": "images",
        "example": "",
        "pair": ["0", "2"],
        "captions": ["1", "3"],
        "prefix": host,
    }


def test_pairs_and_foils_in_parquet_files() -> None:
    pair = {"image_0": images(0, 2), "image_1": images(1, 3)}
    words = {"caption_0": ["a dog on cat", "a man on horse"], "caption_1": ["a cat on dog", "a horse on man"]}
    parquet(Path("wino/data/test-00000-of-00001.parquet"), {"id": [0, 1]} | pair | words)
    assert card_of("wino")["source"]["file"] == "data/test-*.parquet"
    columns = {"image": images(0, 1), "caption": ["a dog on cat", "a man on horse"]}
    parquet(Path("foils/x.parquet"), columns | {"negative_caption": ["a cat on dog", "a horse on man"]})
    assert card_of("foils")["source"]["files"] == ["x.parquet"]
    assert png_bytes(0) == columns["image"][0]["bytes"]


def test_images_that_are_not_there_are_named() -> None:
    write("a.json", [item | {"filename": f"gone{n}.png"} for n, item in enumerate(items())])
    assert "a.json: its images (first: gone0.png) are not below mine" in refused("mine", "--family", "choice")


def test_images_and_masks_are_no_pair() -> None:
    rows = [{"image": f"images/{n}.png", "mask": f"images/{n}.png"} for n in range(4)]
    rows = [row | {"caption": f"a cat on box {n}", "alt": f"a cat on a box {n}"} for n, row in enumerate(rows)]
    Path("mine/t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert "two images" not in output_of("mine", "--family", "retrieval", "--caption", "caption", "--image", "image")
