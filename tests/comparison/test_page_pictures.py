"""Pictures of a comparison's page whose task is a card that ``data import`` left in the working directory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from comparison_records import classified
from helpers import goldieval, picture

from goldieval.tasks.card import load_card


@pytest.fixture
def birds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the card of an imported folder outside the folder of all data; the working directory holds it."""
    for number in range(6):
        picture(tmp_path / "elsewhere" / "birds" / ("ant", "bee")[number % 2] / f"{number}.png", number)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert goldieval("data", "import", str(tmp_path / "elsewhere" / "birds")).code == 0
    return tmp_path / "work" / "birds.yaml"


def compared(card: Path, **changes: object) -> str:
    """Return the page of two records of the card's task; ``changes`` are fields of both."""
    files = np.array([f"{('ant', 'bee')[row % 2]}/{row}.png" for row in range(6)], dtype=object)
    source = str(card.parent.parent / "elsewhere" / "birds")
    fields = {"task": "birds", "ids": files, "images": files, "source": source, "card": "birds.yaml"} | changes
    for number in range(2):
        columns = {"cluster_id": files}
        classified(Path("results"), f"toy:{number}", np.full(6, float(number)), columns=columns, **fields)
    ran = goldieval("compare", "toy:0", "toy:1", "--html", "page.html")
    assert ran.code == 0, ran.err
    return Path("page.html").read_text()


def test_the_card_that_the_record_names_gives_the_pictures(birds: Path) -> None:
    page = compared(birds, card_sha256=load_card(birds).hash)
    assert page.count("data:image/jpeg") == 6 and "no pictures" not in page


def test_another_card_of_that_name_gives_none(birds: Path) -> None:
    page = compared(birds, card_sha256="0" * 64)
    assert "data:image/jpeg" not in page
    assert "give its folder as --tasks-dir" in page and "would leave its folder" not in page


def test_a_broken_card_beside_it_does_no_harm(birds: Path) -> None:
    (birds.parent / "broken.yaml").write_text("{")
    assert compared(birds, card_sha256=load_card(birds).hash).count("data:image/jpeg") == 6


def test_the_terminal_names_a_picture_once(birds: Path) -> None:
    compared(birds, card_sha256=load_card(birds).hash)
    listed = goldieval("compare", "toy:0", "toy:1", "--samples", "6").out
    assert listed.count("ant/0.png") == 1 and "right class: rank 2" in listed
