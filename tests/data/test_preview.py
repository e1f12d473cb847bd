"""The preview of a task: what it shows of samples, classes, texts, duplicates and sizes, and how it fails."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from browser import browser, needs_chromium
from helpers import goldieval, picture, png_bytes, tar
from layout_faults import faults_of_every_view
from PIL import Image

from goldieval.data.manage.preview.facts import Preview, preview
from goldieval.data.manage.preview.texts import TextReader, clip_reader, text_lengths
from goldieval.report.contact_sheet import contact_sheet
from goldieval.report.preview_page import render
from goldieval.tasks.card import load_card
from goldieval.tasks.catalogue import Catalogue

HOSTILE = "<script>alert(1)</script>\x1b[31m{{ 7*7 }}"
DRAWN = sum(name.startswith("shapes-") for name in Catalogue().tasks)
WORDS = TextReader("words", 4, lambda texts: [len(text.split()) for text in texts])


def card(folder: Path, family: str, source: dict[str, object], **more: object) -> Path:
    file = folder / "mine.yaml"
    headline = {"zeroshot": "acc1", "retrieval": "t2i_r1", "segmentation": "miou", "probe": "acc1", "vqa": "accuracy"}[
        family
    ]
    content = {"name": "mine", "family": family, "version": 1, "protocol": "all", "title": "Mine", "licence": "none"}
    file.write_text(yaml.safe_dump(content | {"source": source | {"path": "data"}, "headline": headline} | more))
    return file


def seen(file: Path, reader: TextReader = WORDS, count: int = 24) -> Preview:
    return preview(load_card(file), file.parent, count, reader, 2)


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    rows = []
    for number in range(6):
        picture(tmp_path / "data" / f"{number}.png", number % 5)  # the last is the first again
        rows.append({"image": f"{number}.png", "captions": [f"one two three four five {number}", HOSTILE]})
    (tmp_path / "data" / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    source = {"reader": "table", "file": "t.jsonl", "image": "image", "caption": "captions"}
    return card(tmp_path, "retrieval", source)


def test_one_question_about_several_images_is_no_ambiguity(tmp_path: Path) -> None:
    rows = []
    for number in range(2):
        picture(tmp_path / "data" / f"{number}.png", number)
        rows.append({"image": f"{number}.png", "question": "Is it red?", "answer": "yes"})
    (tmp_path / "data" / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = seen(card(tmp_path, "vqa", {"reader": "questions", "file": "t.jsonl", "answer": "answer"}))
    assert found.counts == {"images": 2, "texts": 2} and found.repeated is None
    assert not any("ambiguous" in line for line in found.attention)


def test_captions_duplicates_and_what_the_context_cuts(captions: Path) -> None:
    found = seen(captions)
    assert found.counts == {"images": 6, "texts": 12}
    assert [len(group) for group in found.images.twice] == [2] and found.images.twice[0] == [0, 5]
    assert found.repeated is not None and found.repeated == (6, 6)
    assert found.texts is not None and (found.texts.texts, found.texts.cut, found.texts.context) == (7, 6, 4)
    longest = found.texts.longest[0]
    assert (longest.kept, longest.lost[:6], longest.tokens) == ("one two three four", " five ", 6)
    assert [text.text for text in found.samples[1].texts] == ["one two three four five 1", HOSTILE]
    assert any("is ambiguous: 6, of 6 images" in line for line in found.attention)
    assert any("more than once: 2, in groups: 1" in line for line in found.attention)


def test_the_page_escapes_and_runs_nothing(captions: Path) -> None:
    page = render(seen(captions))
    assert "<script" not in page and "&lt;script&gt;" in page and "\x1b" not in page
    assert "{{ 7*7 }}" in page and 'class="lost"' in page and page.count("data:image/jpeg") == 6 + 1


def test_classes_are_counted_and_samples_cover_them(tmp_path: Path) -> None:
    for name, count in {"ant": 9, "bee": 2, "cat": 4}.items():
        for number in range(count):
            picture(tmp_path / "data" / name / f"{number}.png", 100 * ord(name[0]) + number)
    picture(tmp_path / "data" / "bee" / "again.png", 100 * ord("a"))  # equal to ant/0.png
    found = seen(card(tmp_path, "zeroshot", {"reader": "folder"}, params={"prompts": ["a photo of a {c}."]}), count=3)
    assert {each.name: each.images for each in found.classes} == {"ant": 9, "bee": 3, "cat": 4}
    assert [sample.label for sample in found.samples] == ["ant", "ant", "bee"]
    assert any("with different classes, on which no model can be right: 1" in line for line in found.attention)
    assert any("fewer than 4 images: 1 of 3: bee" in line for line in found.attention)


def test_masks_are_counted_by_pixel_and_drawn(tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / "data" / "images" / f"{number}.png", number)
        with Image.open(tmp_path / "data" / "images" / f"{number}.png") as shown:
            mask = np.zeros((shown.height, shown.width), dtype=np.uint8)
        mask[: mask.shape[0] // 2] = 1
        mask[0] = 255
        (tmp_path / "data" / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / "data" / "masks" / f"{number}.png")
    source = {"reader": "masks", "images": "images", "masks": "masks", "ignore": [255]}
    params = {"class_names": ["sky", "ground", "sea"], "prompts": ["a {c}"]}
    found = seen(card(tmp_path, "segmentation", source, params=params))
    shares = {each.name: each.share for each in found.classes}
    labelled = [mask.read() for mask in found.prepared.dataset.masks or []]
    total = sum(int((each >= 0).sum()) for each in labelled)
    assert shares["ground"] == pytest.approx(sum(int((each == 1).sum()) for each in labelled) / total)
    assert shares["sea"] == 0 and sum(shares.values()) == pytest.approx(1)  # type: ignore[arg-type]
    assert any("without an image: 1 of 3: sea" in line for line in found.attention)
    page = render(found)
    assert page.count("data:image/jpeg") == 6 and "ground" in page


def test_a_training_picture_among_the_test_pictures_is_named(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("test", 7)):  # the last training picture is the first test picture
        members = {f"s{row}.png": png_bytes(first + row) for row in range(8)}
        members |= {f"s{row}.cls": str(row % 2).encode() for row in range(8)}
        tar(tmp_path / "data" / split / "0.tar", dict(sorted(members.items())))
        (tmp_path / "data" / split / "nshards.txt").write_text("1")
    (tmp_path / "data" / "classnames.txt").write_text("ant\nbee")
    found = seen(card(tmp_path, "probe", {"reader": "webdataset", "split": "test", "train": "train"}))
    assert "test images that are training images too: 1" in found.attention
    assert [(each.name, each.images, each.train) for each in found.classes] == [("ant", 4, 4), ("bee", 4, 4)]


def test_a_picture_that_cannot_be_read_is_named_and_the_page_written(tmp_path: Path) -> None:
    for name in ("ant", "bee"):
        for number in range(4):
            picture(tmp_path / "data" / name / f"{number}.png", number + ord(name[0]))
    (tmp_path / "data" / "bee" / "1.png").write_bytes(b"not a picture")
    file = card(tmp_path, "zeroshot", {"reader": "folder"}, params={"prompts": ["a {c}"]})
    found = seen(file)
    assert list(found.images.unreadable) == ["bee/1.png"] and "bee/1.png" in found.attention[0]
    assert "not an image format" in render(found)
    assert contact_sheet(found).width > 500


def test_clips_own_tokenizer_counts_and_cuts_at_a_word() -> None:
    long = " ".join(f"word{number}" for number in range(60))
    found = text_lengths(["a dog", long, "a dog"], clip_reader())
    assert found is not None and (found.texts, found.cut, found.context, found.lengths[0]) == (2, 1, 77, 4)
    kept = found.longest[0]
    assert kept.kept + kept.lost == long and kept.lost.startswith(" word")
    assert clip_reader().count_tokens([kept.kept])[0] <= 77  # type: ignore[index]


def test_the_command_writes_page_and_sheet(captions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = goldieval("data", "preview", "mine.yaml", "--png", "sheets/mine.png", "--samples", "4")
    assert ran.code == 0 and "wrote mine-preview.html" in ran.out and "6 images, 12 texts" in ran.out
    assert "\x1b" not in (tmp_path / "mine-preview.html").read_text()
    with Image.open(tmp_path / "sheets" / "mine.png") as sheet:
        assert sheet.width > 4 * 200


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nothing"], "no task or suite 'nothing'"),
        (["cifar10", "--data-dir", "."], "no data: there is no folder"),
        (["shapes-*"], f"names {DRAWN} tasks"),
        (["shapes-zeroshot", "--samples", "1", "--out", "file/page.html"], "cannot write file/page.html"),
        (["shapes-zeroshot", "--model", "embeddings:nothing"], "nothing"),
    ],
)
def test_one_line_for_what_cannot_be_shown(
    arguments: list[str], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    ran = goldieval("data", "preview", *arguments)
    assert ran.code != 0 and line in ran.err and "Traceback" not in ran.err and ran.err.strip().count("error:") == 1
    assert not list(tmp_path.glob("*.html"))


@needs_chromium
def test_every_view_of_the_page_is_whole(captions: Path, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(render(seen(captions)))
    with browser(tmp_path / "profile") as page:
        page.open(file)
        assert faults_of_every_view(page) == [] == page.errors
