"""``goldieval ls tasks NAME``: the facts of the one task that is listed."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import card, goldieval

from goldieval.tasks.catalogue import load_task

pytestmark = pytest.mark.usefixtures("plain")
NAMES = ["mnist", "fgovd-hard", "winoground", "shapes-retrieval", "aro-relation"]


def _words(text: str) -> str:
    return " ".join(text.replace(" - ", " ").split())


@pytest.mark.parametrize("name", NAMES)
def test_one_task_is_shown_with_its_facts_at_80_columns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown, said = goldieval("ls", "tasks", name).out, load_task(name).card
    words = _words(shown)
    for text in (said.title, said.about, said.protocol, said.licence, said.cite, *said.traps):
        assert _words(text) in words
    for download in said.source.urls:
        assert download.url in shown
    assert f"{said.expect.images or said.expect.texts:,} " in words and "A random guess: " in words
    assert ("A guess from the texts alone" in words) == (said.blind is not None)
    assert (f"goldieval data get {name}" in words) == bool(said.source.hub or said.source.urls)
    assert "By hand: accept the terms" in words or name != "winoground"
    assert all(len(line) <= 80 or "http" in line for line in shown.splitlines())


def test_of_several_tasks_only_the_lines_are_shown() -> None:
    shown = goldieval("ls", "tasks", "aro-*").out
    assert "citation" not in shown and "traps" not in shown
    assert [line.split()[0] for line in shown.splitlines() if line.startswith("  aro-")] == [
        "aro-attribution",
        "aro-coco-order",
        "aro-flickr-order",
        "aro-relation",
    ]


def test_a_card_of_the_user_writes_nothing_to_the_terminal_but_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    file = card(tmp_path / "tasks", about="red \x1b[31m text", traps=["[bold]literal[/bold]"])
    ran = goldieval("ls", "tasks", "mine", "--tasks-dir", str(file.parent))
    assert "\x1b" not in ran.out and "[bold]literal[/bold]" in ran.out
    assert "into the folder" in ran.out
