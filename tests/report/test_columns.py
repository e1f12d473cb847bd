"""The table of many rows against ``rich.table``, which lays out the same cells slowly."""

from __future__ import annotations

import io

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.table import Table

from goldieval.core.display import Console, Text
from goldieval.report.columns import Columns

CELLS = st.text(st.sampled_from("ab 1–猫é\n\x1b[]"), max_size=6).map(str.strip)  # rich drops blanks at the end


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=5), st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_rows_are_laid_out_as_by_rich(rows: list[tuple[str, str, str]], bold: int) -> None:
    ours, theirs = Columns(("task", "score", "n"), left=1), Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("task", "score", "n"):
        theirs.add_column(Text(name), justify="left" if name == "task" else "right", no_wrap=True)
    for row in rows:
        ours.add_row(row, bold=bold)
        theirs.add_row(*map(Text, row))
    printed = []
    for table in (ours, theirs):
        console = Console(file=io.StringIO(), width=100, color_system=None)
        console.print(table)
        printed.append(console.file.getvalue())  # type: ignore[attr-defined]
    assert printed[0] == printed[1]
    assert ours.width == max(len(Text(line).plain) + line.count("猫") for line in printed[0].splitlines())
