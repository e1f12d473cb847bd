"""What the documentation says is what the program does."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from goldieval.records.schema import Record
from goldieval.report.benchmark_index import benchmark_index
from goldieval.tasks.card import load_card
from goldieval.tasks.catalogue import Catalogue

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_committed_schema_is_the_records_schema() -> None:
    assert json.loads((ROOT / "docs/record.schema.json").read_text()) == Record.model_json_schema()


def test_the_list_of_benchmarks_is_that_of_the_cards() -> None:
    catalogue = Catalogue()
    expected = benchmark_index(catalogue.tasks.values(), catalogue.suites.values())
    assert (ROOT / "docs/benchmarks.md").read_text() == expected, "run: uv run python benchmarks/benchmark_list.py"


def test_the_readme_names_every_group_of_tasks() -> None:
    readme = (ROOT / "README.md").read_text()
    tags = {task.card.tags[0] for task in Catalogue().tasks.values()}
    assert [tag for tag in sorted(tags) if f"| {tag} |" not in readme] == []


@pytest.mark.parametrize("card", sorted((ROOT / "docs/examples").glob("*.yaml")), ids=lambda file: file.stem)
def test_worked_examples_are_cards_of_about_twenty_lines(card: Path) -> None:
    assert load_card(card).name == card.stem
    assert len(card.read_text().splitlines()) <= 26


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_that_a_page_names_exists(page: Path) -> None:
    import typer

    from goldieval.cli import app

    command = typer.main.get_command(app)
    verbs = dict(command.commands)  # type: ignore[attr-defined]
    verbs |= {f"data-{name}": part for name, part in verbs["data"].commands.items()}
    known = {verb: {flag for option in sub.params for flag in option.opts} for verb, sub in verbs.items()}
    text = re.sub(r"goldieval data (?=get|check|where|import)", "goldieval data-", page.read_text())
    for line in re.findall(r"goldieval ((?:run|ls|show|compare|table|doctor|data-[a-z]+)\b[^`\n]*)", text):
        verb, *words = shlex.split(line, comments=True)
        assert {word for word in words if word.startswith("--")} <= known[verb], line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert all((page.parent / link).exists() for link in links)
