"""Import of open_clip's tables, Karpathy's JSON, JSON mappings, and the files of Flickr8k and Flickr30k."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import picture
from import_cases import card_of, output_of, refused

WORDS = ("a red square here", "a tall green tree", "an old man reads", "two dogs run away")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        picture(Path(f"birds/img/{number}.png"), number)


@pytest.mark.parametrize("name", ["train.csv", "train.tsv"])
@pytest.mark.parametrize("above", ["img/", "/home/alice/cc/img/", "s3://bucket/img/", "D:\\cc\\"])
def test_tables_of_open_clip(name: str, above: str) -> None:
    rows = "".join(f"{above}{number}.png\t{words}\n" for number, words in enumerate(WORDS))
    Path("birds", name).write_text(f"filepath\ttitle\n{rows}")
    found = card_of("birds")
    assert found["source"]["caption"] == "title" and found["expect"] == {"images": 4, "texts": 4}
    assert ("prefix" in found["source"]) == (above != "img/")
    if above != "img/":
        assert "which is not below this folder" in output_of("birds", "--name", "again")


def test_json_of_karpathy() -> None:
    images = [
        {"filename": f"{number}.png", "split": split, "imgid": number, "sentences": [{"raw": words, "tokens": ["a"]}]}
        for number, (words, split) in enumerate(zip(WORDS, ("train", "val", "test", "test"), strict=True))
    ]
    Path("birds/dataset_birds.json").write_text(json.dumps({"images": images, "dataset": "birds"}))
    assert "of the splits in 'split', test (2) is taken; edit `where` in the card" in output_of("birds")
    found = card_of("birds")
    assert found["name"] == "birds" and found["expect"] == {"images": 2, "texts": 2}
    assert found["source"]["where"] == {"split": "test"} and found["source"]["caption"] == "sentences.raw"


def test_numbered_captions_and_lists_of_splits() -> None:
    lines = [f"{number}.png#{place}\t{words} {place}\n" for number, words in enumerate(WORDS) for place in range(2)]
    Path("birds/Flickr8k.token.txt").write_text("".join(lines))
    Path("birds/Flickr_8k.trainImages.txt").write_text("0.png\n1.png\n")
    Path("birds/Flickr_8k.testImages.txt").write_text("2.png\n3.png\n")
    assert "only the images in Flickr_8k.testImages.txt are taken" in output_of("birds")
    found = card_of("birds")
    assert found["source"]["listed"] == "Flickr_8k.testImages.txt" and found["expect"] == {"images": 2, "texts": 4}


def test_captions_between_bars_with_a_row_that_lacks_one() -> None:
    rows = [f"{number}.png| {place}| {words} {place}" for number, words in enumerate(WORDS) for place in range(2)]
    rows[3] = "1.png| 1   a bar is missing"
    Path("birds/results.csv").write_text("\n".join(["image_name| comment_number| comment", *rows]))
    assert "left out: 1 rows without a caption, of images with another" in output_of("birds")
    assert card_of("birds")["expect"] == {"images": 4, "texts": 7}


@pytest.mark.parametrize("lists", [True, False])
def test_json_mappings_from_image_to_captions(lists: bool) -> None:
    content = {f"{number}.png": [words, f"{words} too"] if lists else words for number, words in enumerate(WORDS)}
    Path("birds/captions.json").write_text(json.dumps(content))
    assert card_of("birds")["expect"] == {"images": 4, "texts": 8 if lists else 4}


def test_images_that_are_named_without_their_extension() -> None:
    rows = [{"image/key": str(number), "text": f"{words} {number}"} for number, words in enumerate(WORDS)]
    Path("birds/data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = card_of("birds")["source"]
    assert (found["image"], found["picture"], found["images"]) == ("image/key", "{}.png", "img")


def test_rows_without_the_key_of_the_caption_have_none() -> None:
    rows = [
        {"image": f"img/{number}.png"} | ({"caption": words} if number else {}) for number, words in enumerate(WORDS)
    ]
    Path("birds/data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert "left out: 1 image without a caption: img/0.png" in output_of("birds")


def test_a_table_in_a_text_file() -> None:
    rows = "".join(f"{number}.png,{words}\n" for number, words in enumerate(WORDS))
    Path("birds/captions.txt").write_text(f"image,caption\n{rows}")
    assert card_of("birds")["source"]["file"] == "captions.txt"


def test_repeated_and_missing_captions() -> None:
    rows = ["img/0.png,one two three", "img/0.png,one two three", "img/1.png,", "img/2.png,four five six"]
    Path("birds/t.csv").write_text("\n".join(["image,caption", *rows]))
    output = output_of("birds")
    assert "1 caption repeats another of its image and counts once" in output
    assert "left out: 1 image without a caption: img/1.png" in output and "2 images, 2 texts" in output
    found = card_of("birds", "--keep-uncaptioned")
    assert found["expect"] == {"images": 3, "texts": 2} and found["source"]["uncaptioned"] == "keep"


def test_a_list_with_a_caption_twice_counts_it_once() -> None:
    rows = [{"image": f"img/{n}.png", "caption": [WORDS[n], f" {WORDS[n]}", f"{WORDS[n]} too"]} for n in range(4)]
    Path("birds/t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert "4 captions repeat another of their image" in output_of("birds")
    found = card_of("birds")
    assert found["source"]["repeated"] == "once" and found["expect"]["texts"] == 8


def test_an_option_for_captions_is_refused_for_classes() -> None:
    Path("birds/t.csv").write_text("image,label\nimg/0.png,cat\nimg/1.png,dog\nimg/2.png,cat\n")
    assert "--keep-uncaptioned is for images with captions" in refused("birds", "--keep-uncaptioned")


BAD_JSON = ["", "{}", "[]", '{"a.png": 7}', '{"a.png": ["x"]', '{"images": [{"filename": "../0.png"}]}']


@pytest.mark.parametrize("content", BAD_JSON)
def test_json_without_captions_is_refused_in_one_line(content: str) -> None:
    Path("birds/c.json").write_text(content)
    refused("birds")
