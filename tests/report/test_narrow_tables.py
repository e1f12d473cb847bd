"""Tables in a narrow terminal: comparable in columns, with what is left out or cut named below."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from helpers import goldieval, one_line
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from synthetic_records import made, share, write
from table_cases import spec, table

from goldieval.core.display import Console
from goldieval.report.formats import FORMATS
from goldieval.report.formats.fit import Measured, fit
from goldieval.report.formats.terminal import to_terminal
from goldieval.report.scores import scores
from goldieval.report.short_names import shortened

pytestmark = pytest.mark.usefixtures("here")

LONG = [f"open_clip:ViT-B-16@runs/data-efficient/seed-1/checkpoints/epoch_{number}.pt" for number in range(1, 13)]
TASKS = ["coco-karpathy", "coco-val2017", "flickr30k-test", "cifar10", "cifar100", "imagenet", "flickr30k-val", "cars"]
NAMES = st.lists(st.text(st.sampled_from("ab猫 /…-"), min_size=1, max_size=40), min_size=1, max_size=12)


@given(NAMES, st.integers(12, 40))
@settings(max_examples=200, deadline=None)
def test_shorter_names_fit_and_stay_different(names: list[str], width: int) -> None:
    short = shortened(names, width)
    assert set(short) == set(names) and len(set(short.values())) == len(set(names))
    assert all(cell_len(each) <= width for each in short.values())
    assert all(short[name] == name for name in names if cell_len(name) <= width)


@given(
    st.lists(st.text("ab ", min_size=1, max_size=60), min_size=1, max_size=6),
    st.lists(st.tuples(st.text("ab -", max_size=30), st.integers(0, 20), st.integers(0, 2)), min_size=1, max_size=9),
    st.integers(20, 160),
)
@settings(max_examples=200, deadline=None)
def test_what_is_shown_fits_and_headlines_go_last(
    names: list[str], columns: list[tuple[str, int, int]], width: int
) -> None:
    headings, widths, keep = (list(each) for each in zip(*columns, strict=True))
    found = fit(Measured(names, [0] * len(names), headings, widths, keep), width)
    if found is None:
        first = min(range(len(columns)), key=lambda place: (keep[place], place))
        assert 12 + 2 + max(widths[first], len(headings[first])) > width  # not even one column fits beside short names
        return
    used = sum(
        2 + max(widths[place], *map(len, lines)) for place, lines in zip(found.places, found.headings, strict=True)
    )
    assert used + max(map(cell_len, found.names.values())) <= width
    gone = [place for place in range(len(columns)) if place not in found.places]
    assert all(keep[left] >= keep[shown] for left in gone for shown in found.places)
    if 0 in keep and any(keep[place] for place in found.places):
        assert all(found.names[name] == name for name in names)  # names are cut only when headlines alone do not fit


def printed(console_width: int, name: str = "leaderboard") -> str:
    records = [
        made(task, model, 0.1 + 0.05 * row + 0.01 * column, n=400)
        for row, model in enumerate(LONG)
        for column, task in enumerate(TASKS)
    ]
    grid = table(name, *records).grid
    console = Console(file=io.StringIO(), width=console_width, color_system=None)
    console.parts(to_terminal(grid, console))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_leaderboard_of_long_names_is_compared_in_columns(width: int) -> None:
    text = printed(width)
    lines = text.splitlines()
    assert max(cell_len(line) for line in lines if " = " not in line) <= width
    first = next(number for number, line in enumerate(lines) if line == "measured here")
    rows = lines[first + 1 : first + 1 + len(LONG)]
    names = [row.split()[0] for row in rows]
    assert len(set(names)) == len(LONG) and all("…" in name for name in names)
    joined = " ".join(text.split())
    for short, full in zip(names, sorted(LONG), strict=True):
        assert f"{short} = {full}" in lines
    (left_out,) = re.findall(r"left out: (.*); --columns, a wider terminal or --format csv shows them", joined)
    shown = next(line for line in lines if line.startswith("chance ")).split()[1:]
    columns = [name for name in left_out.split(", ") if "models without a score" not in name]
    assert len(shown) + len(columns) == len(TASKS) and len(shown) >= 2


def test_wide_terminals_show_everything() -> None:
    text = printed(400)
    assert "left out" not in text and "…" not in text and all(name in text for name in LONG)


def test_where_nothing_fits_rows_are_stacked() -> None:
    text = printed(16)
    assert "left out" not in text and "top-1" in text


def test_columns_are_chosen_by_heading_metric_or_task(tmp_path: Path) -> None:
    write(Path("results"), *(made(task, "a", 0.5) for task in TASKS))
    ran = goldieval("table", "--columns", "cifar*, T2I_R1", "--format", "markdown")
    assert ran.code == 0 and "cifar10 top-1" in ran.out and "coco-karpathy T2I R@1" in ran.out
    assert "imagenet" not in ran.out
    ran = goldieval("table", "--columns", "cifar10,nothing")
    assert ran.code == 2 and "--columns 'nothing': no such column. There are" in one_line(ran.err)
    assert "'cifar10'" not in ran.err


def test_columns_of_a_table_without_records() -> None:
    write(Path("results"), made("shapes-zeroshot", "a", 0.5))
    ran = goldieval("table", "--columns", "cifar*")
    assert ran.code == 2 and one_line(ran.err).endswith("no such column. The table has none: no record belongs to it.")


def test_chance_and_ceiling_stand_below_every_column(tmp_path: Path) -> None:
    metric = share(0.5, 5000).model_copy(update={"chance": 0.0002, "ceiling": 0.9})
    grid = table(spec(tmp_path), made("coco-karpathy", "a", metrics={"t2i_r1": metric})).grid
    text = {name: to_text(grid) for name, to_text in FORMATS.items()}
    assert "| chance | 0.02 |" in text["markdown"] and "| ceiling | 90.0 |" in text["markdown"]
    assert "chance & 0.02" in text["latex"] and "<td>chance</td><td>0.02</td>" in text["html"]
    (ours,) = [row for row in csv.DictReader(io.StringIO(text["csv"])) if row["kind"] == "ours"]
    assert (ours["chance"], ours["ceiling"]) == ("0.0002", "0.9")


def test_chance_of_published_columns_is_that_of_the_card(tmp_path: Path) -> None:
    assert "| chance | 0.02 |" in FORMATS["markdown"](table(spec(tmp_path)).grid)
    assert "| chance | 0.02 | 0.02 |" in FORMATS["markdown"](table("goldiclip-retrieval").grid)  # both directions


@pytest.mark.parametrize(("width", "left_out"), [(120, ""), (70, "MDD, ceiling"), (62, "MDD, ceiling, n")])
def test_the_end_of_a_run_leaves_columns_out_before_it_stacks(width: int, left_out: str) -> None:
    metric = share(0.5, 5000).model_copy(update={"ceiling": 1.0})
    records = [made("coco-karpathy", "a", name=name, metrics={"t2i_r1": metric})
               for name in ("a-task-with-quite-a-long-name", "another-task-with-a-long-name")]  # fmt: skip
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.parts(scores(records, console))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    lines = text.splitlines()
    kept = [name for name in ("score", "n", "chance", "ceiling", "MDD") if name not in left_out.split(", ")]
    assert [name for name in lines[0].split() if name not in ("task", "metric", "95", "%")] == kept
    assert len(lines[1].split()) == 4 + len(kept)  # the label of the metric has two words
    assert max(map(cell_len, lines[:3])) <= width
    assert (f"left out: {left_out}; a wider terminal" in " ".join(text.split())) == bool(left_out)
