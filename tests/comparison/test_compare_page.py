"""The page of a comparison: a self-contained file in which hostile names are escaped."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from browser import browser, needs_chromium
from comparison_records import classified
from helpers import goldieval, one_line, picture

from goldieval import load_task

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}"


class Parsed(HTMLParser):
    """Collects tags with their attributes, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parsed:
    """Two models with hostile names on samples with hostile captions and file names; one picture exists."""
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "root" / "mine" / "there.png")
    (tmp_path / "secret.png").write_bytes((tmp_path / "root" / "mine" / "there.png").read_bytes())
    texts = np.full(40, HOSTILE, dtype=object)
    images = np.array(["there.png", "../../secret.png", HOSTILE, "absent.png"] * 10, dtype=object)
    for number, rights in enumerate((10, 30)):
        hits = (np.arange(40) < rights) * 1.0
        classified(
            tmp_path / "results", f"toy:{HOSTILE}{number}", hits,
            fingerprint=f"{number}" * 8, texts=texts, images=images, protocol=HOSTILE, notice=HOSTILE,
        )  # fmt: skip
    ran = goldieval("compare", "0000", "1111", "--html", "page.html", "--data-dir", "root")
    assert ran.code == 0 and "page: page.html" in ran.out
    return Parsed((tmp_path / "page.html").read_text())


def test_hostile_names_and_captions_are_text(page: Parsed) -> None:
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == 1 and not [name for _, given in page.tags for name in given if name.startswith("on")]
    assert HOSTILE in page.text and page.text.count("{{ 7*7 }}") > 5 and "49" not in page.text.split()


def test_the_page_asks_for_nothing(page: Parsed) -> None:
    addresses = [str(given.get(name)) for _, given in page.tags for name in ("src", "href", "action") if name in given]
    assert addresses and all(address.startswith(("data:image/jpeg;base64,", "#task-")) for address in addresses)
    policy = [given["content"] for tag, given in page.tags if tag == "meta" and "http-equiv" in given]
    assert policy and "default-src 'none'" in str(policy[0]) and "script-src 'sha256-" in str(policy[0])


def test_pictures_come_from_inside_the_data_folder_only(page: Parsed) -> None:
    pictures = [given for tag, given in page.tags if tag == "img"]
    assert pictures and {given["alt"] for given in pictures} == {"there.png"}


def test_verdict_interval_and_flips_are_there(page: Parsed, tmp_path: Path) -> None:
    assert "1 better, 0 worse" in page.text and "+50.0" in page.text
    assert "svg" in [tag for tag, _ in page.tags]
    assert [given["class"] for tag, given in page.tags if tag == "article"] == ["flip gained"] * 12
    assert "(right class: rank 2)" in page.text
    assert (tmp_path / "page.html").stat().st_size < 100_000


def test_intervals_are_drawn_inside_their_box(page: Parsed) -> None:
    ends = [float(given[name] or "") for tag, given in page.tags if tag == "line" for name in ("x1", "x2")]
    assert ends and all(0 <= end <= 180 for end in ends)


def test_a_curve_of_checkpoints_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for step in (1, 2, 3):
        hits = (np.arange(100) < 20 * step) * 1.0
        classified(tmp_path / "results", f"toy:c@{step}", hits, images_seen=1000 * step, recipe="r")
    classified(tmp_path / "results", "toy:b", np.zeros(100))
    assert goldieval("compare", "toy:c@*", "toy:b", "--html", "page.html").code == 0
    text = (tmp_path / "page.html").read_text()
    assert "Score against images seen" in text and "3,000 images" in text
    assert len(re.findall('r="4"', text)) == 4


def test_a_page_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    classified(tmp_path / "results", "toy:a", np.ones(10))
    (tmp_path / "file").write_text("")
    ran = goldieval("compare", "toy:a", "toy:a", "--html", "file/page.html")
    assert ran.code == 2 and "cannot write file/page.html" in one_line(ran.err)


def test_twenty_tasks_stay_under_2_mb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for task in range(20):
        for number in range(2):
            classified(tmp_path / "results", f"toy:{number}", np.arange(100) % 2 == number, task=f"t{task}")
    assert goldieval("compare", "toy:0", "toy:1", "--html", "page.html").code == 0
    assert (tmp_path / "page.html").stat().st_size < 2_000_000


def test_a_text_that_is_cut_is_marked_with_whose_context_is_too_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    long = np.arange(20) % 4
    for number, cut in enumerate((long == 0, long < 2)):
        hits = np.full(20, float(number))
        classified(tmp_path / "results", f"toy:{number}", hits, columns={"cut": cut})
    assert goldieval("compare", "toy:0", "toy:1", "--html", "page.html", "--samples", "20").code == 0
    text = Parsed((tmp_path / "page.html").read_text()).text
    assert text.count("text cut under A and B") == 5 and text.count("text cut under") == 10
    assert "text cut under B" in goldieval("compare", "toy:0", "toy:1", "--samples", "20").out


@needs_chromium
def test_in_chromium_a_flip_opens_with_its_picture_and_nothing_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawn scenes, hostile names and captions."""
    monkeypatch.chdir(tmp_path)
    ids = np.array([image.id for image in load_task("shapes-zeroshot").card.source.image_samples(tmp_path)[:40]])
    for number in range(2):
        classified(
            tmp_path / "results", f"toy:{HOSTILE}{number}", np.full(40, float(number)), task="shapes-zeroshot",
            fingerprint=f"{number}" * 8, texts=np.full(40, HOSTILE, dtype=object), ids=ids.astype(object),
            columns={"cluster_id": ids.astype(object)},
        )  # fmt: skip
    assert goldieval("compare", "0000", "1111", "--html", "page.html").code == 0
    with browser(tmp_path / "profile") as chromium:
        chromium.open(tmp_path / "page.html")
        chromium.run("document.querySelector('details').open = false")
        chromium.run("document.querySelector('summary').click()")
        assert chromium.run("document.querySelector('details').open")
        sizes = chromium.run("[...document.querySelectorAll('.flip img')].map(i => [i.naturalWidth, i.naturalHeight])")
        assert sizes == [[128, 128]] * 12
        assert chromium.run("document.querySelectorAll('script').length") == 1
        assert HOSTILE in chromium.run("document.querySelector('.flip').textContent")
        assert chromium.errors == []


def test_the_pictures_of_an_imported_card_are_found_by_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("ant", "bee", "cat")):
        for number in range(6):
            picture(tmp_path / "insects" / name / f"{number}.png", 10 * seed + number)
    assert goldieval("data", "import", "insects").code == 0
    for seed in ("1", "2"):
        assert goldieval("run", "--model", f"random:{seed}", "--tasks", "insects.yaml", "--no-cache").code == 0
    compared = ("compare", "random:1", "random:2", "--html", "page.html")
    assert goldieval(*compared).code == 0
    assert (tmp_path / "page.html").read_text().count("data:image/jpeg") > 1
    missing = goldieval("compare", "random:1", "random:3")
    assert missing.code == 2 and "--tasks insects.yaml" in one_line(missing.err)
    card = tmp_path / "insects.yaml"
    card.write_text(card.read_text().replace("a photo of", "a picture of"))  # another card than the measured one
    assert goldieval(*compared).code == 0
    assert "data:image/jpeg" not in (tmp_path / "page.html").read_text()
