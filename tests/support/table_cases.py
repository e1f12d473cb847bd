"""What the tests of report in several files share: table rows, table marks, table formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from synthetic_records import write

from goldieval.report.built_table import BuiltTable, build_table
from goldieval.report.grid import Cell, GridPanel


def spec(folder: Path, **changes: Any) -> str:
    """Write a table of one column and three published rows."""
    content: dict[str, Any] = {
        "table": "mine",
        "title": "Mine",
        "panels": [{"columns": [{"task": "coco-karpathy", "metric": "t2i_r1", "label": "COCO"}]}],
        "groups": [
            {"title": "published", "published": ["OpenAI CLIP B/16", "SigLIP @224 B/16", "DFN-2B B/16"]},
            {"title": "ours", "records": ["*"], "imported": ["*"]},
        ],
    }
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump(content | changes))
    return str(file)


def table(place: str, *records: Any, **more: Any) -> BuiltTable:
    folder = Path("results")
    folder.mkdir(exist_ok=True)
    return build_table(place, [write(folder, *records)], **more)


def cells(panel: GridPanel, column: int = 0) -> dict[str, Cell]:
    return {row.name: row.cells[column] for row in panel.rows}
