"""CSV: one number a row, unrounded and unmarked, for whatever comes next."""

from __future__ import annotations

import csv
import io

from goldieval.report.grid import Grid

COLUMNS = [
    "panel", "group", "model", "kind", "column", "task", "metric", "value", "unit", "low", "high", "n", "best",
    "second", "delta", "protocol", "scoring", "source", "notes",
]  # fmt: skip


def to_csv(grid: Grid) -> str:
    """Return shares as fractions, as records hold them; a value that is not known is empty, with its note."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for panel in grid.panels:
        for group in panel.groups:
            for row in group.rows:
                for column, cell in zip(panel.columns, row.cells, strict=True):
                    if (score := cell.score) is not None:
                        writer.writerow(
                            {
                                "panel": panel.title, "group": group.title, "model": _inert(row.name), "kind": row.kind,
                                "column": column, "task": score.task, "metric": score.metric, "value": score.value,
                                "unit": score.unit, "low": score.low, "high": score.high, "n": score.n,
                                "best": int(cell.best), "second": int(cell.second), "delta": cell.delta,
                                "protocol": score.protocol, "source": score.source or score.file or "",
                                "scoring": score.record.task.scoring if score.record else "",
                                "notes": "; ".join(grid.footnotes[note - 1] for note in [*row.notes, *cell.notes]),
                            }
                        )  # fmt: skip
    return stream.getvalue()


def _inert(text: str) -> str:
    """Return a name that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" else text
