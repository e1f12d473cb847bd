"""The page of a comparison: one file that asks for nothing, in which hostile names are text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from comparison_records import classified
from helpers import goldieval, one_line, picture

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}"


class Parsed(HTMLParser):
    """Tags with their attributes, and the text between."""

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
    """Two models with hostile names on samples with hostile captions and file names; one picture is there."""
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
    assert "script" not in tags and not [name for _, given in page.tags for name in given if name.startswith("on")]
    assert HOSTILE in page.text and page.text.count("{{ 7*7 }}") > 5 and "49" not in page.text.split()


def test_the_page_asks_for_nothing(page: Parsed) -> None:
    addresses = [given.get(name) for _, given in page.tags for name in ("src", "href", "action") if name in given]
    assert addresses and all(address.startswith("data:image/jpeg;base64,") for address in addresses if address)
    policy = [given["content"] for tag, given in page.tags if tag == "meta" and "http-equiv" in given]
    assert policy and "default-src 'none'" in str(policy[0])


def test_pictures_come_from_inside_the_data_folder_only(page: Parsed) -> None:
    pictures = [given for tag, given in page.tags if tag == "img"]
    assert pictures and {given["alt"] for given in pictures} == {"there.png"}


def test_verdict_interval_and_flips_are_there(page: Parsed, tmp_path: Path) -> None:
    assert "1 better, 0 worse" in page.text and "+50.0" in page.text
    assert "svg" in [tag for tag, _ in page.tags]
    assert page.text.count("gained") == 12 and "(rank 2)" in page.text
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
