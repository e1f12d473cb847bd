"""The command line: its output in windows of any width, and without a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import card, class_folders, goldieval, one_line, records, retrieval_embeddings

pytestmark = pytest.mark.usefixtures("plain")


LONG = "a-task-of-ours-with-a-long-name"


def _table(text: str) -> list[str]:
    """Return the lines of the scores: from the first that names the task to its protocol."""
    lines = text.splitlines()
    start = next(
        n for n, line in enumerate(lines) if line.strip().startswith(("task ", "task, ")) or line.strip() == LONG
    )
    end = next(n for n, line in enumerate(lines) if line.startswith(f"{LONG}: all"))
    return lines[start:end]


# Windows, and none


@pytest.mark.parametrize("columns", [40, 60, 80, 100])
def test_scores_fit_the_window_and_what_is_left_out_is_named(
    classified: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    card(tmp_path, name=LONG)
    ran, again = goldieval(*classified), goldieval("show")
    for text in (ran.out, again.out):
        shown = _table(text)
        assert all(len(line) <= columns for line in shown)
        for name in (LONG, "top-1", "top-5", "mean per class", "chance", "MDD"):
            assert any(name in line for line in shown), name
        assert "…" not in text


@pytest.mark.parametrize("columns", [40, 60, 80, 140])
def test_list_of_tasks_fits_the_window_and_no_word_is_cut(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    tasks = json.loads(goldieval("ls", "--json").out)
    text = goldieval("ls").out
    assert all(len(line.rstrip()) <= columns for line in text.splitlines())
    assert "…" not in text
    words = set(text.split())
    for task in tasks:
        shown = {task["task"], *task["licence"].split(), *task["data"].split()}
        images = "–" if task["images"] is None else f"{task['images']:,}"
        assert shown | ({task["family"], images} if columns >= 130 else set()) <= words


def test_list_of_tasks_is_a_table_in_80_columns_with_the_last_score(
    precomputed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    goldieval(*precomputed)
    goldieval(*precomputed, "--limit", "3")  # a subset is no score of the task
    (record,) = [each for each in records(Path("results")) if each["task"]["limit"] is None]
    score = record["metrics"]["t2i_r1"]["value"]
    Path("given/card.yaml").write_text(Path("given/card.yaml").read_text() + "chance: 0.1667\n")
    table = goldieval("ls", "--tasks-dir", "given").out.splitlines()
    assert table[0].split() == ["task", "data", "size", "chance", "score", "licence"]
    (row,) = [line.split() for line in table if line.startswith("  mine ")]
    assert row == ["mine", "present", "–", "17", f"{100 * score:.1f}", "mine"]
    (row,) = [line.split() for line in table if line.startswith("  shapes-zeroshot ")]
    assert row[:4] == ["shapes-zeroshot", "made", "here", "–"]


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("what", ["suites", "families", "results"])
def test_other_lists_fit_the_window_and_no_name_is_cut(
    precomputed: list[str], monkeypatch: pytest.MonkeyPatch, columns: int, what: str
) -> None:
    goldieval(*precomputed[:2], "embeddings:given", *precomputed[3:])
    monkeypatch.setenv("COLUMNS", str(columns))
    rows, text = json.loads(goldieval("ls", what, "--json").out), goldieval("ls", what).out
    assert rows and all(len(line.rstrip()) <= columns for line in text.splitlines())
    for row in rows:
        assert str(next(iter(row.values()))) in text.split()


def test_without_a_terminal_there_are_plain_lines(classified: list[str]) -> None:
    ran = goldieval(*classified)
    assert "\x1b" not in ran.out and "\r" not in ran.out
    assert "images: 10 of 10, " in ran.out and "texts: 6 of 6, " in ran.out


def test_text_in_brackets_is_no_markup(precomputed: list[str], tmp_path: Path) -> None:
    retrieval_embeddings(tmp_path / "given", protocol="[bold]all[/bold] [red]")
    assert "mine: [bold]all[/bold] [red]; global scoring" in goldieval(*precomputed).out


# What is shown


def test_run_ends_with_scores_protocol_and_the_next_command(classified: list[str]) -> None:
    out = goldieval(*classified).out
    assert [line.split()[:2] for line in out.splitlines() if "top-1" in line] == [["mine", "top-1"]]
    assert "mine: all; global scoring" in out
    assert "goldieval show results/" in out and "goldieval doctor --model" in out


def test_show_and_ls_list_what_was_run(classified: list[str], precomputed: list[str]) -> None:
    goldieval(*classified)
    goldieval(*precomputed)
    goldieval(*precomputed[:-1], "cifar10")
    shown = goldieval("show")
    assert shown.code == 0
    for name in ("T2I R@10", "I2T median rank", "mean per class", "cifar10 FAILED: no data"):
        assert name in shown.out
    rows = json.loads(goldieval("ls", "results", "--json").out)
    assert sorted(row["status"] for row in rows) == ["failed", "ok", "ok"]
    assert all(row["score"] is not None for row in rows if row["status"] == "ok")
    one = next(row["file"] for row in rows if row["status"] == "ok")
    assert len(json.loads(goldieval("show", one, "--json").out)) == 1


def test_show_of_an_empty_folder_says_how_to_fill_it(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    ran = goldieval("show")
    assert ran.code == 0 and "no records in results" in ran.out and "goldieval run" in ran.out


def test_ls_says_whether_data_are_here(tmp_path: Path) -> None:
    class_folders(tmp_path / "cards" / "data", {"cat": 1, "dog": 1})
    card(tmp_path / "cards", expect={"images": 2})
    rows = json.loads(goldieval("ls", "--tasks-dir", "cards", "--json").out)
    found = {row["task"]: row["data"] for row in rows}
    assert (found["mine"], found["cifar10"], found["shapes-zeroshot"]) == ("present", "missing", "made here")
    assert [row["task"] for row in json.loads(goldieval("ls", "tasks", "coco-val*", "--json").out)] == [
        "coco-val2017-first5",
        "coco-val2017",
    ]


def test_ls_with_a_damaged_record_names_it(precomputed: list[str], tmp_path: Path) -> None:
    goldieval(*precomputed)
    file = next((tmp_path / "results").rglob("*.json"))
    file.write_text(file.read_text()[:100])
    for arguments in (["ls", "results"], ["show"]):
        ran = goldieval(*arguments)
        assert ran.code == 2 and file.name in one_line(ran.err)
