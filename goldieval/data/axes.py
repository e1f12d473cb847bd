"""What the entries of each field of a dataset belong to, from which subsets of it are made."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

Axis = Literal["image", "text", "query"]


@dataclass(frozen=True)
class Layout:
    """What the entries of a field belong to, and what their values refer to.

    Attributes:
        along: Axis with one entry for each of its items; None for a list of any length.
        refers_to: Axes that the values of an entry are indices into, in the order of an entry's last dimension.
    """

    along: Axis | None = None
    refers_to: tuple[Axis, ...] = ()


def along(axis: Axis | None = None, refers_to: tuple[Axis, ...] = ()) -> dict[str, Layout]:
    """Return the metadata of a field with a layout."""
    return {"layout": Layout(axis, refers_to)}


def layouts(dataset: Any) -> dict[str, Layout]:
    """Return the layout of each field of a dataset that has one, by the name of the field."""
    return {each.name: each.metadata["layout"] for each in fields(dataset) if "layout" in each.metadata}
