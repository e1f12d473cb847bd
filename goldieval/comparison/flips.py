"""The queries that one model gets and the other misses, those first whose rank moved most."""

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
    """One query whose outcome differs.

    what: gained (B gets it, A does not) or lost.   picture: id of its image; image: path relative to the data's
    folder, where it is a file.   a, b: what each model did, a rank or an answer.
    tied: a negative scores like the best positive under A or B.   repeated: another query of the task has the same
    text.   cut: whose context is too short for the text: "A", "B", "A and B", or "" (also where it is not known).
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


def flips_of(pair: Pair, metric: str, most: int) -> list[Flip]:
    """Return at most so many gained and so many lost queries; none where scores are not of single queries."""
    columns = [read_outcomes(entry.file, entry.record) for entry in (pair.a, pair.b)]
    about = metric_of(metric)
    a, b = (about.values(each) for each in columns)
    if a is None or b is None or a.values.ndim > 1:
        return []
    b = aligned(a, b, pair.a.record.task.name)
    change = (a.values - b.values) if about.lower_is_better else (b.values - a.values)
    rows = [a.rows, b.rows]
    shown = [_shown(each, of) for each, of in zip(columns, rows, strict=True)]
    moved = np.abs(_log_ranks(columns[0])[rows[0]] - _log_ranks(columns[1])[rows[1]])
    texts = columns[0]["text"][rows[0]] if "text" in columns[0] else np.full(len(a.ids), "")
    often = Counter(texts.tolist())
    found: list[Flip] = []
    for what, sign in (("gained", 1), ("lost", -1)):
        queries = np.flatnonzero(sign * change > 0.5)
        for query in queries[np.argsort(-moved[queries], kind="stable")][:most]:
            first = rows[0][query]
            found.append(
                Flip(
                    what=what,  # type: ignore[arg-type]
                    direction=str(columns[0]["direction"][first]),
                    sample=str(a.ids[query]),
                    picture=str(columns[0]["cluster_id"][first]),
                    image=str(columns[0]["image"][first]) if "image" in columns[0] else "",
                    text=str(texts[query]),
                    a=shown[0][query],
                    b=shown[1][query],
                    tied=any(_tied(each, of[query]) for each, of in zip(columns, rows, strict=True)),
                    repeated=bool(texts[query]) and often[texts[query]] > 1 and "label" not in columns[0],
                    cut=" and ".join(
                        side
                        for side, each, of in zip("AB", columns, rows, strict=True)
                        if "cut" in each and each["cut"][of[query]]
                    ),
                )
            )
    return found


def _shown(columns: Columns, rows: np.ndarray) -> list[str]:
    """What the model did: its answer, its class, the rank of the best positive (a range where ties leave it open)."""
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
    said = [names.get(label, f"class {label}") for label in columns["prediction"][rows].tolist()]
    return [f"{name} ({rank})" for name, rank in zip(said, ranks, strict=True)]


def _log_ranks(columns: Columns) -> np.ndarray:
    if "rank_low" not in columns:
        return np.zeros(len(columns["sample_id"]))
    logs: np.ndarray = np.log(columns["rank_low"] + columns["rank_high"])
    return logs


def _tied(columns: Columns, row: int) -> bool:
    return "rank_low" in columns and bool(columns["rank_low"][row] != columns["rank_high"][row])
