"""Tests of averages of suites: from the outcomes of all members, on the same samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

from goldieval.comparison.average_evidence import Evidence, evidence_of
from goldieval.comparison.pairs import Pair, difference, setting_differences
from goldieval.comparison.significance import Tested
from goldieval.core.errors import GoldievalError, listing
from goldieval.metrics.averages import paired_average
from goldieval.metrics.paired_result import Paired
from goldieval.metrics.registry import metric_of
from goldieval.metrics.seeds import Seeded, seeded
from goldieval.records.average_members import Members, members_of
from goldieval.records.averages import LIKELY, average_entry
from goldieval.records.results import Entry
from goldieval.tasks.averages import METRIC, Average
from goldieval.tasks.card import Task

Models = Sequence[Sequence[Entry]]  # the records of each seed of a side


@dataclass
class AverageTests:
    """Tests of averages.

    Attributes:
        tests: the tests.
        refused: one line for each average that is not compared.
    """

    tests: list[Tested] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def average_tests(
    a: Models, b: Models, averages: Iterable[Average], tasks: Mapping[str, Task], likely: bool
) -> AverageTests:
    """Test every average of which both sides have all members.

    Args:
        a: records of A, by seed.
        b: records of B, by seed.
        averages: the definitions.
        tasks: all tasks by name.
        likely: whether an average is left out without a line where a side has less than half of its tasks.
    """
    found = AverageTests()
    for average in averages:
        sides = [[members_of(average, entries, tasks) for entries in models] for models in (a, b)]
        present = [each for side in sides for of_model in side for each in of_model[:1]]
        if len(present) < len(a) + len(b) or (likely and any(each.recorded < LIKELY for each in present)):
            found.refused += [] if likely else [f"{average.name}: a side has no record of its tasks"]
            continue
        try:
            found.tests.append(_tested(average, sides[0], sides[1]))
        except GoldievalError as error:
            found.refused.append(f"{average.name}: {error}")
    return found


def _tested(average: Average, a: Sequence[list[Members]], b: Sequence[list[Members]]) -> Tested:
    """Test an average. Raises GoldievalError if a member is missing, or its samples differ."""
    for side, models in (("A", a), ("B", b)):
        for of_model in models:
            if not of_model[0].complete:
                raise GoldievalError(f"refused for {side}: {of_model[0].refusal}")
    first, second = min(product(a[0], b[0]), key=lambda both: _setting(both[0]) != _setting(both[1]))
    chosen = [_alike(of_model, first) for of_model in a], [_alike(of_model, second) for of_model in b]
    _check_samples([*chosen[0], *chosen[1]])
    pair = Pair(average_entry(first), average_entry(second))
    pair = Pair(pair.a, pair.b, setting_differences(pair.a.record, pair.b.record))
    evidence = evidence_of(average, *chosen)
    scores = [np.array([average_entry(each).record.metrics[METRIC].value for each in side]) for side in chosen]
    result = _of_one(scores, evidence) if len(a) == len(b) == 1 else _of_seeds(scores, evidence)
    return Tested(pair, metric_of(METRIC), result, len(evidence.moved), evidence.n, (len(a), len(b)))


def _of_one(scores: list[np.ndarray], evidence: Evidence) -> Paired:
    found = paired_average(
        (float(scores[0][0]), float(scores[1][0])),
        evidence.difference,
        evidence.contributions,
        evidence.unpaired,
        evidence.gains,
        evidence.n,
    )
    without = f"; as of independent models: {listing(evidence.without)}" if evidence.without else ""
    return replace(found, method=found.method + without)


def _of_seeds(scores: list[np.ndarray], evidence: Evidence) -> Seeded:
    """Test means over seeds. Raises GoldievalError if outcomes do not contain a metric."""
    if evidence.without:
        raise GoldievalError(f"the per-sample outcomes do not contain {listing(evidence.without)}.")
    moved, of_a = evidence.moved, evidence.of_a
    return seeded(scores[0], scores[1], moved[:, :of_a], moved[:, of_a:])


def _setting(members: Members) -> tuple[str, str]:
    return members.precision, members.scoring


def _alike(of_model: list[Members], like: Members) -> Members:
    """Return the members of a model under the setting of another one, or the first."""
    return next((each for each in of_model if _setting(each) == _setting(like)), of_model[0])


def _check_samples(models: Sequence[Members]) -> None:
    first, *others = models
    for other in others:
        for task, entry in first.entries.items():
            if fault := difference(entry.record, other.entries[task].record):
                raise GoldievalError(f"{task}: {fault}")
