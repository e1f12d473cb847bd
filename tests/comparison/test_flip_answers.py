"""What stands behind a verdict: the answers that came first, confusions, maps of segmentations, and old records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import browser, needs_chromium
from comparison_records import classified, retrieved, segmented
from helpers import goldieval, picture
from layout_faults import faults_of_every_view
from PIL import Image

from goldieval.comparison.compare import compare
from goldieval.comparison.details import Details, details_of
from goldieval.data.small_maps import encode_map

LONG = "a caption of a hundred words " * 17


def answered(hits: np.ndarray, score: float | None = 0.25) -> dict[str, np.ndarray]:
    """Return columns that name answers: i0 … are right, the wrong one is always other.png."""
    count = len(hits)
    scores = np.array([score] * count, dtype=object)
    return {
        "right_id": np.array([f"i{row}" for row in range(count)], dtype=object),
        "right_content": np.array([f"pictures/{row}.png" for row in range(count)], dtype=object),
        "right_score": scores,
        "wrong_id": np.array(["other"] * count, dtype=object),
        "wrong_content": np.array(["pictures/other.png"] * count, dtype=object),
        "wrong_score": scores,
        "strata": np.array([["even"] if row % 2 == 0 else ["odd", "all"] for row in range(count)] + [0], object)[:-1],
        "cut": np.arange(count) % 3 == 0,
    }


def retrieval(folder: Path, spec: str, hits: np.ndarray, **changes: Any) -> None:
    columns = answered(hits) | {
        "cluster_id": np.array([f"i{row}" for row in range(len(hits))], dtype=object),
        "image": np.array([f"pictures/{row}.png" for row in range(len(hits))], dtype=object),
        "text": np.array([LONG if row == 1 else f"caption {row}" for row in range(len(hits))], dtype=object),
    }  # fmt: skip
    retrieved(folder / "results", spec, np.where(hits, 1, 5), ["t2i_r1"], columns=columns, **changes)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in (*range(20), "other"):
        picture(tmp_path / "root" / "mine" / "pictures" / f"{name}.png")
    retrieval(tmp_path, "toy:a", np.arange(20) < 6)
    retrieval(tmp_path, "toy:b", np.arange(20) >= 4)
    return tmp_path


def behind(folder: Path, limit: int = 50) -> Details:
    found = compare("toy:a", "toy:b", folder / "results")
    return details_of(found.pairs[0], found.rows[0].metric, limit)


def test_each_model_names_what_came_first_and_what_is_right(folder: Path) -> None:
    details = behind(folder)
    assert (details.flips.gained, details.flips.lost, details.rerun) == (14, 4, "")
    for flip in details.flips.listed:
        assert flip.top_a is not None and flip.top_b is not None
        right, wrong = (flip.top_b, flip.top_a) if flip.what == "gained" else (flip.top_a, flip.top_b)
        assert right.is_right and right.first == right.right and right.first.id == flip.picture
        assert not wrong.is_right and (wrong.first.id, wrong.right.id) == ("other", flip.picture)
    assert behind(folder, 3).flips.counts == "3 of 14 gained, 3 of 4 lost"


def test_the_page_shows_the_wrong_picture_beside_the_right_one(folder: Path) -> None:
    ran = goldieval("compare", "toy:a", "toy:b", "--html", "page.html", "--samples", "20", "--data-dir", "root")
    page = (folder / "page.html").read_text()
    assert ran.code == 0 and page.count('alt="pictures/other.png"') == 18 == page.count("✗ wrong")
    assert page.count("the right picture") == 18 == page.count("✓ right")
    assert "run again" not in page and "no pictures" not in page
    assert "14 of 14 gained, 4 of 4 lost" in page


def test_the_terminal_and_json_name_the_wrong_answer(folder: Path) -> None:
    assert "first under A: pictures/other.png  0.250, right 0.250" in goldieval(
        "compare", "toy:a", "toy:b", "--samples", "1"
    ).out.replace("\n", " ")
    flips = json.loads(goldieval("compare", "toy:a", "toy:b", "--samples", "1", "--json").out)["flips"]
    assert [flip["top_a"]["first"]["id"] for flip in flips[0]] == ["other", flips[0][1]["picture"]]
    assert not {"map_a", "map_b"} & set(flips[0][0])


def test_an_answer_without_a_score_has_none(folder: Path) -> None:
    hits = np.arange(20) >= 4
    for file in (folder / "results").glob("toy_b*/*"):
        file.unlink()
    retrieved(
        folder / "results", "toy:b", np.where(hits, 1, 5), ["t2i_r1"],
        columns=answered(hits, None) | {"cluster_id": np.array([f"i{row}" for row in range(20)], dtype=object)},
    )  # fmt: skip
    assert {flip.top_b.first.score for flip in behind(folder).flips.listed if flip.top_b} == {None}
    assert goldieval("compare", "toy:a", "toy:b", "--html", "page.html", "--samples", "20").code == 0
    assert "nan" not in (folder / "page.html").read_text().lower().replace("nances", "")


def test_old_records_are_compared_and_the_page_says_how_to_see_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        retrieved(tmp_path / "results", f"toy:{number}", np.full(20, 1 + number), ["t2i_r1"])
    ran = goldieval("compare", "toy:1", "toy:0", "--html", "page.html", "--samples", "2")
    page = (tmp_path / "page.html").read_text()
    assert ran.code == 0 and page.count("run again to see them") == 1
    assert "goldieval run --model toy:1 --tasks mine --out results" in page
    assert "run again to see the wrong answers: goldieval run --model toy:1" in ran.out.replace("\n", " ")


def test_confusions_of_both_models_are_counted_side_by_side(tmp_path: Path) -> None:
    """Three classes in turn; a wrong image gets the next class."""
    classified(tmp_path / "results", "toy:a", np.zeros(30))
    classified(tmp_path / "results", "toy:b", (np.arange(30) % 3 != 0) * 1.0)
    pairs = {(each.true, each.given): (each.a, each.b, each.n) for each in behind(tmp_path).confusions}
    assert pairs == {
        ("class 0", "class 1"): (10, 10, 10), ("class 1", "class 2"): (10, 0, 10), ("class 2", "class 0"): (10, 0, 10),
    }  # fmt: skip


def test_a_class_without_an_image_has_its_name_from_the_answers(tmp_path: Path) -> None:
    columns = answered(np.zeros(3)) | {
        "label": np.zeros(3, int), "prediction": np.full(3, 7), "text": np.array(["cat"] * 3, object),
        "wrong_id": np.array(["7"] * 3, object), "wrong_content": np.array(["zebra"] * 3, object),
    }  # fmt: skip
    for name in "ab":
        classified(tmp_path / "results", f"toy:{name}", np.zeros(3), columns=columns)
    assert [(each.true, each.given, each.a) for each in behind(tmp_path).confusions] == [("cat", "zebra", 3)]


def maps(root: Path, count: int) -> None:
    """Write pictures and masks of two classes, upper and lower half, with a strip without a label."""
    for row in range(count):
        (root / "mine" / "images").mkdir(exist_ok=True, parents=True)
        noise = np.random.default_rng(row).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(root / "mine" / "images" / f"{row}.png")
        mask = np.repeat([0, 1], 24)[:, None].repeat(64, 1).astype(np.uint8)
        mask[:, :5] = 255
        (root / "mine" / "masks").mkdir(exist_ok=True, parents=True)
        Image.fromarray(mask).save(root / "mine" / "masks" / f"{row}.png")


CARD = """
name: areas
family: segmentation
version: 1
protocol: all
title: Mine
licence: mine
source: {reader: masks, id: mine, images: images, masks: masks}
params: {class_names: [above, "a class with quite a long name <b>"], prompts: ["a {c}."]}
headline: miou
"""


@pytest.fixture
def segmentations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    maps(tmp_path / "root", 4)
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "areas.yaml").write_text(CARD)
    ids = np.array([f"images/{row}.png" for row in range(4)], dtype=object)
    union = np.full((4, 2), 100)
    for number, shares in enumerate(([90, 20, 30, 40], [10, 80, 70, 40])):
        drawn = [encode_map(np.full((48, 64), (row + number) % 2)) for row in range(4)]
        segmented(
            tmp_path / "results", f"toy:{number}", np.array(shares)[:, None] * [1, 1], union, ids=ids,
            columns={"predicted_map": np.array(drawn, dtype=object), "image": ids},
            classes={"above": (0.5, 0.2)[number], 'a class with quite a long name <b>': 0.1},
        )  # fmt: skip
    return tmp_path


def test_pictures_of_a_segmentation_are_shown_with_truth_and_both_predictions(segmentations: Path) -> None:
    ran = goldieval(
        "compare", "toy:0", "toy:1", "--html", "page.html", "--data-dir", "root", "--tasks-dir", "cards",
        "--samples", "9",
    )  # fmt: skip
    page = (segmentations / "page.html").read_text()
    assert ran.code == 0 and "2 of 2 gained, 1 of 1 lost" in page
    for title in ("picture", "truth", "A", "B"):
        assert page.count(f'alt="{title} of images/') == 3
    assert "a class with quite a long name &lt;b&gt;" in page and "no label" in page
    assert "A: mean IoU 90.0 %; B: mean IoU 10.0 %" in page and "-30.0" in page
    without = goldieval("compare", "toy:0", "toy:1", "--html", "page.html", "--data-dir", "root")
    assert without.code == 0 and "give its folder as --tasks-dir" in (segmentations / "page.html").read_text()


def test_pictures_have_a_size_that_the_page_states(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goldieval.report.thumbnails.MOST_BYTES", 4000)
    assert goldieval("compare", "toy:a", "toy:b", "--html", "page.html", "--data-dir", "root").code == 0
    page = (folder / "page.html").read_text()
    assert 0 < page.count("data:image") < 10 and "pictures left out, because those of a page have at most" in page


def test_a_missing_picture_is_counted(folder: Path) -> None:
    (folder / "root" / "mine" / "pictures" / "other.png").unlink()
    assert goldieval("compare", "toy:a", "toy:b", "--html", "page.html", "--data-dir", "root").code == 0
    assert "missing or unreadable pictures, looked for in --data-dir: 1<" in (folder / "page.html").read_text()


@needs_chromium
def test_filters_select_and_every_view_is_whole(folder: Path, segmentations: Path) -> None:
    common = ("--html", "page.html", "--data-dir", "root", "--tasks-dir", "cards", "--samples", "20")
    for number in range(2):
        retrieval(folder, f"toy:{number}", np.arange(20) >= 4 if number else np.arange(20) < 6)
    assert goldieval("compare", "toy:0", "toy:1", *common).code == 0
    count = "[...document.querySelectorAll('#flips-{} .flip')].filter(each => !each.hidden).length"
    choose = (
        "(() => {{ const field = document.querySelector('[data-of=flips-{}]').elements['{}']; field.value = '{}'; "
        "field.dispatchEvent(new Event('input', {{bubbles: true}})); }})()"
    )
    with browser(folder / "profile") as chromium:
        chromium.open(folder / "page.html")
        chromium.run("document.querySelectorAll('details').forEach(each => each.open = true)")
        number = chromium.run("[...document.querySelectorAll('form')].findIndex(f => f.elements.stratum) + 1")
        for field, value, shown in (("what", "lost", 4), ("stratum", "1", 9), ("cut", "yes", 7), ("least", "50", 1)):
            chromium.run(choose.format(number, field, value))
            assert chromium.run(count.format(number)) == shown, (field, value)
            chromium.run(choose.format(number, field, ""))
            assert chromium.run(count.format(number)) == 18
        assert faults_of_every_view(chromium) == [] == chromium.errors
