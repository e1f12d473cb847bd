"""Pairs of records of A and B on the same samples, and the reasons why other records are not paired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from goldieval.core.errors import GoldievalError
from goldieval.metrics.query_values import QueryValues
from goldieval.records.results import Entry
from goldieval.records.schema import Record


@dataclass(frozen=True)
class Pair:
    """The records of one task.

    Attributes:
        a: the record of A.
        b: the record of B.
        note: settings in which the two runs differ; empty if there are none.
    """

    a: Entry
    b: Entry
    note: str = ""


@dataclass(frozen=True)
class Unpaired:
    """A task that is not compared.

    Attributes:
        task: name of the task.
        reason: why it is not compared.
        lacking: the side without a record of it, ``A`` or ``B``; else empty.
        limit: number of images of the other side's subset; None for all.
    """

    task: str
    reason: str
    lacking: str = ""
    limit: int | None = None


def pair(a: list[Entry], b: list[Entry]) -> tuple[list[Pair], list[Unpaired]]:
    """Pair the records of two models, task by task."""
    left, right = _by_task(a), _by_task(b)
    pairs: list[Pair] = []
    rest: list[Unpaired] = []
    for task in sorted(set(left) | set(right)):
        sides = {"A": left.get(task, []), "B": right.get(task, [])}
        lacking = next((side for side, entries in sides.items() if not entries), "")
        if lacking:
            task_record = next(entry for entries in sides.values() for entry in entries).record.task
            failure = _failure(a if lacking == "A" else b, task)
            reason = f"{lacking} failed: {failure}" if failure else f"{lacking} has no record of it"
            rest.append(Unpaired(task, reason, "" if failure else lacking, task_record.limit))
            continue
        found, reason = _match(sides["A"], sides["B"])
        pairs += found
        rest += [Unpaired(task, reason)] if reason else []
    return pairs, rest


def _by_task(entries: list[Entry]) -> dict[str, list[Entry]]:
    result: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.record.status != "failed":
            result.setdefault(entry.record.task.name, []).append(entry)
    return result


def _failure(entries: list[Entry], task: str) -> str:
    failed = [entry.record for entry in entries if entry.record.task.name == task and entry.record.status == "failed"]
    return failed[-1].reason if failed else ""


def _match(a: list[Entry], b: list[Entry]) -> tuple[list[Pair], str]:
    """Return the pairs of one task, or the reason why there are none."""
    same = [(one, other) for one in a for other in b if not difference(one.record, other.record)]
    if not same:
        return [], difference(a[0].record, b[0].record)
    alike = [Pair(one, other) for one, other in same if not setting_differences(one.record, other.record)]
    if alike:
        return alike, ""
    if len(same) > 1:
        return [], "a side has several records that were scored differently: name the files"
    ((one, other),) = same
    return [Pair(one, other, setting_differences(one.record, other.record))], ""


def difference(a: Record, b: Record) -> str:
    """Return how the samples of two records of one task differ; empty where they are the same."""
    values = {
        "version of the task": (a.task.version, b.task.version),
        "subset": tuple(f"{each.task.limit:,} images" if each.task.limit else "all" for each in (a, b)),
        "card": (a.task.card_sha256[:8], b.task.card_sha256[:8]),
        "prompts": (a.task.prompts_sha256[:8], b.task.prompts_sha256[:8]),
        "class names": (a.task.class_names_sha256[:8], b.task.class_names_sha256[:8]),
        "unreadable pictures": tuple(", ".join(sorted(each.data.unreadable)) or "none" for each in (a, b)),
        "data": (a.data.sha256[:8], b.data.sha256[:8]),
    }
    if a.model.is_imported or b.model.is_imported:  # their pictures were not read; the ids of all samples are compared
        del values["data"], values["prompts"]
    first = next((name for name, (one, other) in values.items() if one != other), "")
    return f"not the same samples: {first} {values[first][0]} under A, {values[first][1]} under B" if first else ""


def setting_differences(a: Record, b: Record) -> str:
    """Return the settings in which two records of the same samples differ; they may be compared."""
    values = {
        "scoring": (a.task.scoring, b.task.scoring),
        "precision": (a.model.precision, b.model.precision),
        "asked with": tuple(_asked_with(each) for each in (a, b)),
    }
    return ", ".join(f"{name} {one} and {other}" for name, (one, other) in values.items() if one != other)


def _asked_with(record: Record) -> str:
    prompt = record.task.settings.get("prompt", "{question}")
    return "the question alone" if prompt == "{question}" else "the task's prompt"


def aligned(a: QueryValues, b: QueryValues, context: str) -> QueryValues:
    """Return the values of B in the order of A.

    Args:
        a: values of A.
        b: values of B.
        context: task and metric, for the error message.

    Raises:
        GoldievalError: the sample ids of the two differ, or are not unique.
    """
    if len(a.ids) == len(b.ids) and np.array_equal(a.ids, b.ids):
        return b
    rows: Mapping[str, int] = {id: row for row, id in enumerate(b.ids)}
    if len(a.ids) != len(b.ids) or len(rows) != len(b.ids) or set(rows) != set(a.ids):
        raise GoldievalError(f"{context}: the sample ids of A and B differ, {len(a.ids):,} and {len(b.ids):,} queries.")
    return b.ordered(np.array([rows[id] for id in a.ids]))
