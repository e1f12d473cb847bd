"""The most frequent confusions of classes under two models, and the classes whose segmentation differs most."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from goldieval.comparison.answers import HALF
from goldieval.comparison.flips import class_names
from goldieval.metrics.query_values import Columns
from goldieval.records.schema import Record

LEAST = 0.0005  # change of a class that is shown: one that is not 0.0 percent
QUESTION = ("answer", "given", "right")
MOST = 6  # confusions of each model, and classes that are better and worse


@dataclass(frozen=True)
class Confusion:
    """A class or answer that was given in place of the true one.

    Attributes:
        true: the true class or answer.
        given: the one that was given.
        a: number of times under A.
        b: number of times under B.
        n: number of queries with that true class or answer.
    """

    true: str
    given: str
    a: int
    b: int
    n: int


@dataclass(frozen=True)
class ClassChange:
    """Intersection over union of a class of a segmentation.

    Attributes:
        name: the class.
        a: under A.
        b: under B.
    """

    name: str
    a: float
    b: float


def confusions_of(a: Columns, b: Columns) -> list[Confusion]:
    """Return the most frequent confusions of A and those of B, by decreasing sum of the two counts."""
    pairs = [_answered(columns) for columns in (a, b)]
    wrong = [Counter(pair for pair in each if pair[0] != pair[1]) for each in pairs]
    queries = Counter(true for true, _ in pairs[0])
    frequent = {pair for counts in wrong for pair, _ in counts.most_common(MOST)}
    order = sorted(frequent, key=lambda pair: (-wrong[0][pair] - wrong[1][pair], pair))
    return [Confusion(*pair, wrong[0][pair], wrong[1][pair], queries[pair[0]]) for pair in order]


def class_changes(a: Record, b: Record) -> list[ClassChange]:
    """Return the classes of a segmentation that B improves most, then those that it worsens most."""
    both = [
        ClassChange(name, one.iou, other.iou)
        for name, one in a.classes.items()
        if (other := b.classes.get(name)) is not None and one.iou is not None and other.iou is not None
    ]
    order = sorted(both, key=lambda change: change.a - change.b)
    better = [each for each in order if each.b - each.a > LEAST]
    worse = [each for each in order if each.a - each.b > LEAST]
    return [*better[:MOST], *worse[-MOST:]]


def _answered(columns: Columns) -> list[tuple[str, str]]:
    """Return the true and the given class or answer of each query; nothing for other families."""
    if {"label", "prediction"} <= set(columns):
        names = class_names(columns)
        given = [names.get(number, f"class {number}") for number in columns["prediction"].tolist()]
        true = [names[number] for number in columns["label"].tolist()]
        return list(zip(true, given, strict=True))
    return [_of_question(columns, row) for row in range(len(columns["given"]))] if {*QUESTION} <= set(columns) else []


def _of_question(columns: Columns, row: int) -> tuple[str, str]:
    """Return the true answer to a question, and what was compared of the given one; the true one if that is right."""
    true = str(columns["answer"][row])
    if columns["right"][row] >= HALF:
        return true, true
    return true, str(columns["parsed"][row] if "parsed" in columns else "") or str(columns["given"][row])
