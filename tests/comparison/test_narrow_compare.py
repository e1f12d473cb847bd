"""A comparison in a narrow terminal: comparable in columns, with chance, and what is left out named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from comparison_records import classified
from helpers import goldieval
from rich.cells import cell_len

TASKS = ("imagenet-of-a-long-name", "cifar100-of-quite-a-long-name", "cars")


@pytest.fixture(autouse=True)
def _records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for task in TASKS:
        for spec, rights in (("a", 200), ("b", 300)):
            classified(Path("results"), spec, (np.arange(400) < rights).astype(int), task=task)


@pytest.mark.parametrize(("width", "count"), [(140, 0), (87, 1), (79, 2), (72, 3), (60, 3)])
def test_columns_are_left_out_before_names_are_cut(width: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = goldieval("compare", "a", "b").out.splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("task "))
    rows = lines[head + 1 : head + 1 + len(TASKS)]
    assert all(row.rstrip().endswith("better") and "50.0" in row and "75.0" in row for row in rows)
    assert max(map(cell_len, lines[head : head + 1 + len(TASKS)])) <= width
    left_out = ["MDD", "p", "chance"][:count]
    assert [name for name in ("MDD", "p", "chance") if name not in lines[head].split()] == left_out
    text = " ".join(" ".join(lines).split())
    hint = f"left out: {', '.join(left_out[:2])}; a wider terminal or --json shows them"
    assert (hint in text) == bool(count) and ("chance: cars top-1 –; " in text) == (count == 3)
    assert any("…" in row for row in rows) == (width == 60)


def test_where_no_column_fits_every_number_is_stacked_with_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    text = " ".join(goldieval("compare", "a", "b").out.split())
    assert "A 50.0, B 75.0, chance –" in text and "left out" not in text
