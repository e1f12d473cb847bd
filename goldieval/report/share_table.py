"""A table of shares of variance, as the screen and the page of ``doctor --shortcuts`` show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from goldieval.metrics.variance_shares import Share


@dataclass(frozen=True)
class ShareRow:
    """One kind of feature.

    Attributes:
        name: its name.
        shares: share of each attribute; None if all features are the same.
        beside: further numbers that are no shares, as fractions, by the name of their column.
        reference: whether it is that of another, untrained model.
    """

    name: str
    shares: Mapping[str, Share] | None
    beside: Mapping[str, float] = field(default_factory=dict)
    reference: bool = False


@dataclass(frozen=True)
class ShareTable:
    """Shares of several kinds of features.

    Attributes:
        title: what the features are of.
        notes: what the columns say.
        columns: heading of the column of each attribute, in order.
        intervals: attributes whose intervals stand beside their numbers.
        segments: attributes whose shares, one after the other, make up the whole.
        rows: one row for each kind of feature.
        beside: headings of further columns.
    """

    title: str
    notes: list[str]
    columns: dict[str, str]
    intervals: tuple[str, ...]
    segments: tuple[str, ...]
    rows: list[ShareRow]
    beside: tuple[str, ...] = ()

    @property
    def chance(self) -> dict[str, float]:
        """What 95 % of random assignments stay below, of each attribute, in all rows of the model itself."""
        found: dict[str, float] = {}
        for row in self.rows:
            for name, share in (row.shares or {}).items():
                if share.chance is not None and not row.reference:
                    found[name] = max(share.chance, found.get(name, 0.0))
        return found
