"""What stands behind a verdict: flipped queries with their answers, confusions of classes, and what is not stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from goldieval.comparison.confusions import ClassChange, Confusion, class_changes, confusions_of
from goldieval.comparison.flips import Flips, flips_of
from goldieval.comparison.pairs import Pair, aligned
from goldieval.comparison.picture_flips import error_flips, picture_flips
from goldieval.comparison.sides import command, out_folder
from goldieval.metrics.query_values import Columns
from goldieval.metrics.registry import metric_of
from goldieval.records.files import read_outcomes

ANSWERED = {"rank_low", "given"}  # columns of outcomes that are ranks or answers, not errors of pictures


@dataclass(frozen=True)
class Details:
    """What stands behind the verdict of one test.

    Attributes:
        flips: the flipped queries.
        confusions: the most frequent confusions of classes or answers.
        classes: classes whose segmentation differs most.
        rerun: the commands that store the answers that the records do not contain; empty if they contain them.
    """

    flips: Flips = field(default_factory=lambda: Flips([]))
    confusions: list[Confusion] = field(default_factory=list)
    classes: list[ClassChange] = field(default_factory=list)
    rerun: str = ""


def details_of(pair: Pair, metric: str, limit: int) -> Details:
    """Return what stands behind the test of a pair of records.

    Args:
        pair: the records of A and B.
        metric: name of the metric; one whose values are not of single queries or pictures has no flips.
        limit: maximum number of gained, and of lost, queries.
    """
    if pair.a.record.is_average:
        return Details()
    columns = (read_outcomes(pair.a.file, pair.a.record), read_outcomes(pair.b.file, pair.b.record))
    flips = _flips(pair, columns, metric, limit)
    return Details(
        flips=flips,
        confusions=confusions_of(*columns),
        classes=class_changes(pair.a.record, pair.b.record),
        rerun=_rerun(pair, columns) if flips.listed else "",
    )


def _flips(pair: Pair, columns: tuple[Columns, Columns], metric: str, limit: int) -> Flips:
    definition = metric_of(metric)
    a, b = (definition.values(each) for each in columns)
    if a is None or b is None:
        return Flips([])
    b = aligned(a, b, pair.a.record.task.name)
    if a.values.ndim > 1:
        return picture_flips(columns, a, b, limit)
    if not ANSWERED & set(columns[0]):
        return error_flips(columns, a, b, definition, limit)
    return flips_of(columns, a, b, definition.lower_is_better, limit)


def _rerun(pair: Pair, columns: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]) -> str:
    """Return the commands for the records that do not name the answers that came first."""
    stored = {"wrong_id", "given", "predicted_map", "pixels"}
    old = [
        entry
        for entry, each in zip((pair.a, pair.b), columns, strict=True)
        if not stored & set(each) and not entry.record.model.is_imported
    ]
    made = (
        command([entry.record.model.spec], [entry], [entry.record.task.name], out_folder([entry], [entry.file.parent]))
        for entry in old
    )
    return "; ".join(dict.fromkeys(made))
