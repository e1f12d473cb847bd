"""Queries that only one of two models answers correctly."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np

from goldieval.comparison.pairs import Pair, aligned
from goldieval.metrics.query_values import Columns
from goldieval.metrics.registry import metric_of
from goldieval.records.files import read_outcomes


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
    """

    what: Literal["gained", "lost"]
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


def flips_of(pair: Pair, metric: str, limit: int) -> list[Flip]:
    """Return the gained and the lost queries of a pair of records, sorted by decreasing change of rank.

    Args:
        pair: the records of A and B.
        metric: name of the metric; one whose values are not of single queries has no flips.
        limit: maximum number of gained, and of lost, queries.
    """
    columns = [read_outcomes(entry.file, entry.record) for entry in (pair.a, pair.b)]
    definition = metric_of(metric)
    a, b = (definition.values(each) for each in columns)
    if a is None or b is None or a.values.ndim > 1:
        return []
    b = aligned(a, b, pair.a.record.task.name)
    gain = (a.values - b.values) if definition.lower_is_better else (b.values - a.values)
    sides = _Side(columns[0], a.rows), _Side(columns[1], b.rows)
    change = np.abs(sides[0].log_ranks - sides[1].log_ranks)
    counts = Counter(sides[0].text("text", query) for query in range(len(a.ids)))
    flips: list[Flip] = []
    for what, sign in _SIGNS.items():
        queries = np.flatnonzero(sign * gain > 0.5)
        queries = queries[np.argsort(-change[queries], kind="stable")][:limit]
        flips += [_flip(what, int(query), sides, counts) for query in queries]
    return flips


_SIGNS: dict[Literal["gained", "lost"], int] = {"gained": 1, "lost": -1}


def _flip(what: Literal["gained", "lost"], query: int, sides: tuple[_Side, _Side], counts: Counter[str]) -> Flip:
    a = sides[0]
    text = a.text("text", query)
    return Flip(
        what=what,
        direction=a.text("direction", query),
        sample=a.text("sample_id", query),
        picture=a.text("cluster_id", query),
        image=a.text("image", query),
        text=text,
        a=a.outcomes[query],
        b=sides[1].outcomes[query],
        tied=any(side.tied(query) for side in sides),
        repeated=bool(text) and counts[text] > 1 and "label" not in a.columns,
        cut=" and ".join(name for name, side in zip("AB", sides, strict=True) if side.cut(query)),
    )


def _outcome_texts(columns: Columns, rows: np.ndarray) -> list[str]:
    """Return the outcome of each query as text: the answer, or the rank of the best positive and the class."""
    if "given" in columns:
        return [
            f"{given} (true: {true})"
            for given, true in zip(columns["given"][rows], columns["answer"][rows], strict=True)
        ]
    low, high = columns["rank_low"][rows], columns["rank_high"][rows]
    ranks = [f"rank {one:,}" if one == two else f"rank {one:,} to {two:,}" for one, two in zip(low, high, strict=True)]
    if not {"label", "prediction"} <= set(columns):
        return ranks
    names = dict(zip(columns["label"].tolist(), columns["text"].tolist(), strict=True))
    predicted = [names.get(label, f"class {label}") for label in columns["prediction"][rows].tolist()]
    return [f"{name} ({rank})" for name, rank in zip(predicted, ranks, strict=True)]


def _log_ranks(columns: Columns) -> np.ndarray:
    if "rank_low" not in columns:
        return np.zeros(len(columns["sample_id"]))
    logs: np.ndarray = np.log(columns["rank_low"] + columns["rank_high"])
    return logs


def _tied(columns: Columns, row: int) -> bool:
    return "rank_low" in columns and bool(columns["rank_low"][row] != columns["rank_high"][row])
