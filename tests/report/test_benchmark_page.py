"""The generated page of each task."""

from __future__ import annotations

from itertools import pairwise

import pytest

from goldieval.metrics.registry import metric_of
from goldieval.report.benchmark_facts import FAMILIES
from goldieval.report.benchmark_page import benchmark_page, how_to_get
from goldieval.report.published import Published, load_published
from goldieval.report.score import Score
from goldieval.tasks.catalogue import Catalogue, load_task

CATALOGUE = Catalogue()


@pytest.fixture(scope="module")
def published() -> Published:
    return load_published()


@pytest.mark.parametrize("name", sorted(CATALOGUE.tasks))
def test_a_page_says_what_the_card_says(name: str, published: Published) -> None:
    task = CATALOGUE.tasks[name]
    card, page = task.card, benchmark_page(task, list(CATALOGUE.suites.values()), published)
    assert page.startswith(f"# {card.title}\n")
    for text in (card.about, card.cite, card.protocol, card.licence, *card.traps):
        assert text.replace("|", "\\|") in page or text in page
    for number in (card.chance, card.blind, card.ceiling):
        assert number is None or f": {metric_of(card.headline).text(number)} " in page
    assert how_to_get(card.source, name) in page
    assert card.expect.boxes is None or f"{card.expect.boxes:,} boxes" in page
    assert card.family in FAMILIES
    lines = page.splitlines()
    for header in (line for line, rule in pairwise(lines) if rule.startswith("| ---")):
        width = header.replace("\\|", "").count("|")
        rows = lines[lines.index(header) :]
        table = rows[: next((row for row, line in enumerate(rows) if not line.startswith("|")), len(rows))]
        assert {row.replace("\\|", "").count("|") for row in table} == {width}


def test_published_values_stand_in_one_row_for_each_source_the_best_first() -> None:
    def score(model: str, metric: str, value: float | None, source: str = "a table") -> Score:
        return Score(model, "published", "cifar10", metric, value, source=source, protocol="test 10,000", grade="code")

    task = load_task("cifar10")
    scores = [
        score("weak", "acc1", 0.5),
        score("strong", "acc1", 0.9),
        score("strong", "mean_per_class_recall", 0.89),
        score("strong", "acc1", 0.85, "another | table"),
        score("unread", "acc1", None),
        score("no headline", "mean_per_class_recall", 0.95),
    ]
    page = benchmark_page(task, [], Published({}, scores))
    rows = [line.split(" | ")[:3] for line in page.split("## Published values")[1].splitlines() if line[:2] == "| "]
    assert rows[2:] == [
        ["| strong", "90.0", "89.0"],
        ["| strong", "85.0", "–"],
        ["| weak", "50.0", "–"],
        ["| no headline", "–", "95.0"],
    ]
    assert "another \\| table" in page


def test_a_page_says_how_to_get_the_data() -> None:
    assert "drawn when they are needed" in how_to_get(load_task("shapes-zeroshot").card.source, "shapes-zeroshot")
    by_command = how_to_get(load_task("sugarcrepe").card.source, "sugarcrepe")
    assert by_command.startswith("    goldieval data get sugarcrepe\n\nfetches these files (817 MB):\n\n- <http")
    assert how_to_get(load_task("winoground").card.source, "winoground").startswith("By hand: accept the terms")
