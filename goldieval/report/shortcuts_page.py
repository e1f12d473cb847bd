"""The page of ``doctor --shortcuts``: what features encode, one bar for each kind of feature.

Names of models are escaped by the template; the page contains no script and loads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldieval.metrics.crossed_variance import (
    BACKGROUND,
    COLOUR,
    COLOUR_AND_TEXTURE,
    COMBINED,
    NUMBER,
    OTHER_OBJECTS,
    TEXTURE,
)
from goldieval.metrics.variance_shares import REST
from goldieval.report.page_parts import environment, style_of, write_html
from goldieval.report.share_screen import interval_note, percent, with_interval
from goldieval.report.share_table import ShareRow, ShareTable

LABELLED = 0.07  # share from which a segment is wide enough for its number
# Class of the style sheet of each attribute: backgrounds are warm, objects cold, what remains grey.
HUES = {
    BACKGROUND: "b1",
    COLOUR: "b1",
    TEXTURE: "b2",
    COLOUR_AND_TEXTURE: "b3",
    OTHER_OBJECTS: "o1",
    NUMBER: "o2",
    "shape": "o1",
    "colour": "o2",
    "place": "o3",
    "size": "o4",
    "fill": "o5",
    "texture": "o6",
    "relation": "r1",
    "words": "r2",
    COMBINED: "rest",
    REST: "rest",
}


@dataclass(frozen=True)
class ModelShares:
    """What the page says of one model.

    Attributes:
        model: its spec.
        summary: one sentence.
        warnings: what a reader should know before using it.
        tables: the measured shares.
    """

    model: str
    summary: str
    warnings: list[str]
    tables: list[ShareTable]


def write_page(file: Path, models: Sequence[ModelShares]) -> int:
    """Write the page atomically; return its size in bytes.

    Raises:
        GoldievalError: the file cannot be written; no partial file is left.
    """
    return write_html(file, page(models))


def page(models: Sequence[ModelShares]) -> str:
    """Return the page as HTML."""
    shown = [
        {"model": each.model, "about": each, "tables": [_table(table) for table in each.tables]} for each in models
    ]
    return environment().get_template("shortcuts.html").render(style=style_of("shortcuts"), models=shown)


def _table(table: ShareTable) -> dict[str, Any]:
    present = [name for name in table.segments if any(name in (row.shares or {}) for row in table.rows)]
    return {
        "title": table.title,
        "notes": [*table.notes, *filter(None, [interval_note(table)])],
        "legend": [(HUES[name], name) for name in present],
        "rows": [_row(table, row) for row in table.rows],
        "headings": [*table.columns.values(), *table.beside],
        "chance": [percent(table.chance[name]) if name in table.chance else "" for name in table.columns]
        + ["50" for _ in table.beside],
    }


def _row(table: ShareTable, row: ShareRow) -> dict[str, Any]:
    shares = row.shares or {}
    return {
        "name": row.name,
        "reference": row.reference,
        "segments": [
            {
                "hue": HUES[name],
                "width": f"{100 * max(shares[name].value, 0.0):.2f}",
                "label": f"{100 * shares[name].value:.0f}" if shares[name].value >= LABELLED else "",
                "title": f"{name}: {with_interval(shares[name])} %",
            }
            for name in table.segments
            if name in shares
        ],
        "cells": [with_interval(shares[name]) if name in shares else "" for name in table.columns]
        + [f"{100 * row.beside[name]:.0f}" if name in row.beside else "" for name in table.beside],
    }
