"""Averages of suites as records: computed from the records of their members, or refused with the reason.

An average is a record like that of a task, so that every table, page and screen shows it without a case of its own. It
is computed anew wherever it is shown, and never written.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from math import fsum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldieval.records.average_members import Members, members_of
from goldieval.records.parts import MeasuredMetric
from goldieval.records.results import Entry
from goldieval.records.schema import DataPart, Record, RunPart, TaskPart
from goldieval.tasks.averages import FAMILY, METRIC, Average, Term
from goldieval.tasks.card import Task

if TYPE_CHECKING:
    from goldieval.metrics.averages import Influence, MemberScore

_WORDS = re.compile(r"[\w.-]+")
LIKELY = 0.5  # share of its tasks with a record from which a refused average is worth a line


def averages_of(
    entries: Iterable[Entry], averages: Iterable[Average], tasks: Mapping[str, Task], likely: bool = False
) -> list[Entry]:
    """Return the averages of every model that has a record of one of their tasks.

    An average whose members are not all there, whole and of one setting, is a failed record with the reason: a mean of
    what is there would be another number.

    Args:
        entries: records with their files; the outcomes beside them are read where members share images.
        averages: the definitions.
        tasks: all tasks by name.
        likely: whether a refused average is left out where fewer than half of its tasks have any record, or where no
            command that made a record names its suite (unless that is the user's own).
    """
    averages = list(averages)
    by_model: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        by_model.setdefault((entry.record.model.spec, entry.record.model.fingerprint), []).append(entry)
    return [
        average_entry(members)
        for own in by_model.values()
        for average in averages
        for members in members_of(average, own, tasks)
        if not likely or members.complete or (members.recorded >= LIKELY and _asked(average, own))
    ]


def _asked(average: Average, entries: Sequence[Entry]) -> bool:
    """Return whether a model was evaluated on the suite of an average, as far as the records tell."""
    commands = {entry.record.run.command for entry in entries}
    return not average.shipped_suite or any(average.shipped_suite in _WORDS.findall(command) for command in commands)


def average_entry(members: Members) -> Entry:
    """Return the record of an average, in the folder of the records of its members."""
    average, parts = members.average, [entry.record for entry in members.entries.values()]
    model = members.model.model.model_copy(update={"precision": members.precision})
    scorings = {record.task.scoring for record in parts}
    task = TaskPart(
        name=average.name,
        family=FAMILY,
        version=1,
        protocol=average.protocol,
        title=average.label,
        licence="",
        card_sha256=_hash([average.hash, *sorted(record.task.card_sha256 for record in parts)]),
        scoring=scorings.pop() if len(scorings) == 1 else members.scoring,
        headline=METRIC,
        heading=parts[0].task.heading if len({record.task.heading for record in parts}) == 1 else "",
        prompts_sha256=_hash([[record.task.prompts_sha256, record.task.class_names_sha256] for record in parts]),
    )
    data = DataPart(
        source="the records of its tasks",
        sha256=_hash([[record.task.name, record.data.sha256] for record in parts]),
        expected={"tasks": len(average.tasks)},
        seen={"tasks": len(parts)},
    )
    setting = _hash([model.fingerprint, model.precision, task.name, task.card_sha256, task.scoring])
    record = Record(
        setting=setting,
        key=_hash([setting, *(part.key for part in parts)]),
        status="ok" if members.complete else "failed",
        reason=members.refusal,
        model=model,
        task=task,
        data=data,
        metrics={METRIC: _measured(members)} if members.complete else {},
        environment=members.model.environment,
        run=_run(parts or [members.model]),
    )
    files = [entry.file for entry in members.entries.values()]
    return Entry(files[0].parent if files else Path(), record)


def _run(parts: Sequence[Record]) -> RunPart:
    """Return when and where the last of some records was made."""
    last = max(parts, key=lambda record: record.run.started).run
    return RunPart(
        command=last.command, started=last.started, device=last.device, batch={}, seconds={}, encoded={}, reused={}
    )


def _measured(members: Members) -> MeasuredMetric:
    """Return the average with its interval, the number of its members, and the mean of their chance levels."""
    from goldieval.metrics.averages import average  # numpy is slow to import

    interval = average(member_scores(members), len(members.average.members))
    return MeasuredMetric(
        **vars(interval),
        separable=interval.minimum_detectable_difference,
        chance=_mean_of(members, "chance"),
        blind=_mean_of(members, "blind"),
        ceiling=_mean_of(members, "ceiling"),
    )


def _mean_of(members: Members, reference: str) -> float | None:
    """Return the average of a reference, such as the chance level; None where one member has none."""
    terms = members.average.terms()
    values = [getattr(_metric(members, term), reference) for term in terms]
    if any(value is None for value in values):
        return None
    return fsum(term.share * value for term, value in zip(terms, values, strict=True))


def _metric(members: Members, term: Term) -> MeasuredMetric:
    return members.entries[term.task].record.metrics[term.metric]


def member_scores(members: Members) -> list[MemberScore]:
    """Return the scores of an average, with the influence of each image where several are of the same images."""
    from goldieval.metrics.averages import MemberScore, standard_error
    from goldieval.records.influences import influences_of

    terms = members.average.terms()
    sources = [members.entries[term.task].record.data.source for term in terms]
    shared = [term for term, source in zip(terms, sources, strict=True) if sources.count(source) > 1]
    influences: Mapping[Term, Influence | None] = influences_of(members.entries, shared)
    metrics = [_metric(members, term) for term in terms]
    return [
        MemberScore(
            f"{term.task} {term.metric}",
            term.share,
            metric.value,
            standard_error(metric.low, metric.high),
            metric.clusters,
            source,
            influences.get(term),
            metric.unreliable,
        )
        for term, metric, source in zip(terms, metrics, sources, strict=True)
    ]


def _hash(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
