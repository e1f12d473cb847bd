"""Queries that only one of two models answers correctly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from goldieval.comparison.answers import Ranking, ranking, true_answer
from goldieval.metrics.query_values import Columns, QueryValues

What = Literal["gained", "lost"]
SIGNS: dict[What, int] = {"gained": 1, "lost": -1}
NOT_JSON = ("map_a", "map_b")


@dataclass(frozen=True)
class Flip:
    """One query whose outcome differs between A and B.

    Attributes:
        what: gained (B is right, A is not) or lost.
        direction: direction of the query, such as ``t2i``.
        sample: id of the query.
        picture: id of its image.
        image: path of the image relative to the data folder, where it is a file.
        text: text of the query; empty if there is none.
        a: outcome under A, a rank or an answer.
        b: outcome under B.
        tied: whether a negative scores like the best positive under A or B.
        repeated: whether another query of the task has the same text.
        cut: models whose context is too short for the text: ``A``, ``B``, ``A and B``; empty also where that is not
            known.
        strata: groups of the query, such as the file of a test of its kind.
        top_a: answer that came first under A, and the best right one; None where the record does not name them.
        top_b: the same under B.
        map_a: predicted classes of the picture under A, see ``data.small_maps``; empty except for segmentation.
        map_b: the same under B.
    """

    what: What
    direction: str
    sample: str
    picture: str
    image: str
    text: str
    a: str
    b: str
    tied: bool
    repeated: bool
    cut: str
    strata: tuple[str, ...] = ()
    top_a: Ranking | None = None
    top_b: Ranking | None = None
    map_a: bytes = b""
    map_b: bytes = b""

    @property
    def tags(self) -> list[str]:
        """Groups and marks of the query, as pages and screens show them."""
        marks = (("tie", self.tied), ("text repeated", self.repeated), (f"text cut under {self.cut}", bool(self.cut)))
        return [*self.strata, *(mark for mark, true in marks if true)]

    def plain(self) -> dict[str, Any]:
        """Return the flip as values that JSON can represent, without its maps."""
        return {name: value for name, value in asdict(self).items() if name not in NOT_JSON}


@dataclass(frozen=True)
class Flips:
    """The flipped queries of a task.

    Attributes:
        listed: the flips of largest change, gained ones first.
        gained: number of all gained queries.
        lost: number of all lost queries.
    """

    listed: list[Flip]
    gained: int = 0
    lost: int = 0

    @property
    def counts(self) -> str:
        """How many of all flipped queries are listed.

        >>> Flips([], gained=2).counts, Flips([]).counts
        ('0 of 2 gained, 0 of 0 lost', 'none')
        """
        totals: dict[What, int] = {"gained": self.gained, "lost": self.lost}
        listed = Counter(flip.what for flip in self.listed)
        lines = [f"{listed[what]:,} of {total:,} {what}" for what, total in totals.items()]
        return ", ".join(lines) if self.gained or self.lost else "none"


class _Side:
    """The outcomes of one record, and the rows of them that hold the queries in their common order."""

    def __init__(self, columns: Columns, rows: np.ndarray) -> None:
        self.columns, self.rows = columns, rows
        self.outcomes = _outcome_texts(columns, rows)
        self.log_ranks = _log_ranks(columns)[rows]

    def text(self, name: str, query: int) -> str:
        """Return the entry of a column for a query; empty if there is no such column."""
        return str(self.columns[name][self.rows[query]]) if name in self.columns else ""

    def tied(self, query: int) -> bool:
        return _tied(self.columns, self.rows[query])

    def cut(self, query: int) -> bool:
        return "cut" in self.columns and bool(self.columns["cut"][self.rows[query]])

    def strata(self, query: int) -> tuple[str, ...]:
        return tuple(map(str, self.columns["strata"][self.rows[query]])) if "strata" in self.columns else ()

    def top(self, query: int) -> Ranking | None:
        return ranking(self.columns, int(self.rows[query]))


def flips_of(columns: tuple[Columns, Columns], a: QueryValues, b: QueryValues, lower: bool, limit: int) -> Flips:
    """Return the gained and the lost queries, sorted by decreasing change of rank.

    Args:
        columns: the outcomes of A and of B.
        a: values of the metric under A, one per query.
        b: the same under B, in the order of A.
        lower: whether lower values are better.
        limit: maximum number of gained, and of lost, queries.
    """
    gain = (a.values - b.values) if lower else (b.values - a.values)
    sides = _Side(columns[0], a.rows), _Side(columns[1], b.rows)
    change = np.abs(sides[0].log_ranks - sides[1].log_ranks)
    counts = Counter(sides[0].text("text", query) for query in range(len(a.ids)))
    found = {what: np.flatnonzero(sign * gain > 0.5) for what, sign in SIGNS.items()}
    listed = [
        _flip(what, int(query), sides, counts)
        for what, queries in found.items()
        for query in queries[np.argsort(-change[queries], kind="stable")][:limit]
    ]
    return Flips(listed, len(found["gained"]), len(found["lost"]))


def _flip(what: What, query: int, sides: tuple[_Side, _Side], counts: Counter[str]) -> Flip:
    a, b = sides
    text = a.text("text", query)
    return Flip(
        what=what,
        direction=a.text("direction", query),
        sample=a.text("sample_id", query),
        picture=a.text("cluster_id", query),
        image=a.text("image", query),
        text=text,
        a=a.outcomes[query],
        b=b.outcomes[query],
        tied=a.tied(query) or b.tied(query),
        repeated=bool(text) and counts[text] > 1 and "label" not in a.columns,
        cut=" and ".join(name for name, side in zip("AB", sides, strict=True) if side.cut(query)),
        strata=a.strata(query),
        top_a=a.top(query),
        top_b=b.top(query),
    )


def _outcome_texts(columns: Columns, rows: np.ndarray) -> list[str]:
    """Return the outcome of each query as text: the answer, or the rank of the best positive and the class."""
    if "given" in columns:
        return [f"{columns['given'][row]} (true: {true_answer(columns, row)})" for row in rows.tolist()]
    low, high = columns["rank_low"][rows], columns["rank_high"][rows]
    ranks = [f"rank {one:,}" if one == two else f"rank {one:,} to {two:,}" for one, two in zip(low, high, strict=True)]
    if not {"label", "prediction"} <= set(columns):
        return ranks
    names = class_names(columns)
    predicted = [names.get(label, f"class {label}") for label in columns["prediction"][rows].tolist()]
    return [f"{name} (right class: {rank})" for name, rank in zip(predicted, ranks, strict=True)]


def class_names(columns: Columns) -> dict[int, str]:
    """Return the name of each class that the outcomes of a classification name."""
    names = dict(_named_wrong(columns)) if "wrong_id" in columns else {}
    return names | dict(zip(columns["label"].tolist(), columns["text"].tolist(), strict=True))


def _named_wrong(columns: Columns) -> Iterator[tuple[int, str]]:
    for number, name in zip(columns["wrong_id"].tolist(), columns["wrong_content"].tolist(), strict=True):
        if str(number).isdecimal():
            yield int(number), str(name)


def _log_ranks(columns: Columns) -> np.ndarray:
    if "rank_low" not in columns:
        return np.zeros(len(columns["sample_id"]))
    logs: np.ndarray = np.log(columns["rank_low"] + columns["rank_high"])
    return logs


def _tied(columns: Columns, row: int) -> bool:
    return "rank_low" in columns and bool(columns["rank_low"][row] != columns["rank_high"][row])
