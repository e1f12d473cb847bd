"""The records that an average is computed from: all of one model under one setting, or the reason why there are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from goldieval.core.errors import listing
from goldieval.records.results import Entry
from goldieval.records.schema import Record
from goldieval.scoring.mode import checked_mode
from goldieval.tasks.averages import Average
from goldieval.tasks.card import Task

MISSING = "missing"
NAMED = 12  # missing tasks that a line names


@dataclass(frozen=True)
class Members:
    """The records of the tasks of an average, of one model under one setting.

    Attributes:
        average: the average.
        precision: precision of the model.
        scoring: scoring mode of the model; that of a task follows from it and the task's card.
        model: a record of the model.
        entries: records by task.
        lacking: reason by task, for those without a record that can be averaged.
    """

    average: Average
    precision: str
    scoring: str
    model: Record
    entries: dict[str, Entry] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return not self.lacking

    @property
    def recorded(self) -> float:
        """Share of the tasks that have any record of the model."""
        absent = sum(reason == MISSING for reason in self.lacking.values())
        return 1 - absent / len(self.average.tasks)

    @property
    def refusal(self) -> str:
        """Why there is no average, in one line; empty where there is one."""
        if self.complete:
            return ""
        by_reason: dict[str, list[str]] = {}
        for task, reason in self.lacking.items():
            by_reason.setdefault(reason, []).append(task)
        parts = [f"{reason}: {listing(tasks, NAMED)}" for reason, tasks in by_reason.items()]
        present, total = len(self.entries), len(self.average.tasks)
        return f"{present:,} of {total:,} tasks have a whole result; {'; '.join(parts)}"


def members_of(average: Average, entries: Sequence[Entry], tasks: Mapping[str, Task]) -> list[Members]:
    """Return the members under each setting in which all are there; else those of the setting with most of them.

    Args:
        average: the average.
        entries: records of one model.
        tasks: all tasks by name.

    Returns:
        Nothing where the model has no record of any task of the average.
    """
    own = [entry for entry in entries if entry.record.task.name in average.tasks]
    if not own:
        return []
    by_task: dict[str, list[Entry]] = {name: [] for name in average.tasks}
    for entry in sorted(own, key=lambda entry: entry.record.run.started, reverse=True):
        by_task[entry.record.task.name].append(entry)
    found = [
        _under(Members(average, precision, mode, own[0].record), by_task, tasks)
        for precision in dict.fromkeys(entry.record.model.precision for entry in own)
        for mode in _modes(own)
    ]
    complete = {
        tuple((entry.file, entry.record.key) for entry in each.entries.values()): each
        for each in found
        if each.complete
    }
    return list(complete.values()) or [max(found, key=lambda each: len(each.entries))]


def _modes(entries: Sequence[Entry]) -> list[str]:
    """Return the scoring modes of a model that any of its records may have been measured in."""
    modes = [entry.record.task.scoring for entry in entries if _is_mode(entry.record.task.scoring)]
    return list(dict.fromkeys(modes)) or ["global"]


def _is_mode(scoring: str) -> bool:
    try:
        return checked_mode(scoring) != "auto"
    except ValueError:  # of a family with a mode of its own, such as generate
        return False


def _under(members: Members, by_task: Mapping[str, Sequence[Entry]], tasks: Mapping[str, Task]) -> Members:
    """Fill in the members of an average under a setting: of each task the newest record that can be averaged."""
    for name, of_task in by_task.items():
        faults = [_fault(entry.record, members, tasks[name]) for entry in of_task]
        if "" in faults:
            members.entries[name] = of_task[faults.index("")]
        else:
            members.lacking[name] = faults[0] if faults else MISSING
    return members


def _fault(record: Record, members: Members, task: Task) -> str:
    """Return why a record cannot be averaged under a setting; empty where it can."""
    part, mode, params = record.task, members.scoring, task.card.params
    if record.status == "failed":
        return "failed"
    if part.limit is not None or part.subset:
        return "a subset only"
    if record.status == "partial":
        return "partial"
    if part.overrides:
        return "another protocol (--set)"
    if part.card_sha256 != task.hash:
        return "another version of the card"
    if record.model.precision != members.precision:
        return f"not in {members.precision}"
    if part.scoring not in {params.mode(mode), params.mode(mode, mode)}:
        return f"not in {mode} scoring"
    needed = [name for member in members.average.members if member.task == part.name for name in member.metric]
    absent = [name for name in needed if name not in record.metrics]
    return f"without {listing(absent)}" if absent else ""
