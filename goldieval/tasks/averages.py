"""Averages of a suite: which metrics of which tasks are averaged and with which weights, as its file defines them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, model_validator

from goldieval.core.errors import did_you_mean, listing
from goldieval.metrics.registry import metric_of
from goldieval.tasks.card import Task

METRIC = "average"
"""Name of the metric of every average; the name of the average takes the place of the task."""
FAMILY = "average"
"""Family of the records of averages; no card has it."""


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _no_bool(value: Any) -> Any:
    return str(value) if isinstance(value, bool) else value  # a number for pydantic


class Member(BaseModel):
    """One member of an average.

    Attributes:
        task: name of the task.
        metric: name of its metric; of several, the member is their mean.
        weight: weight among the members, or among those of its group; 1e-6 to 1e6.
        group: group of members whose mean is averaged with those of the other groups; empty without groups.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    metric: Annotated[list[str], Field(min_length=1), BeforeValidator(_as_list)]
    weight: Annotated[float, Field(ge=1e-6, le=1e6), BeforeValidator(_no_bool)] = 1.0
    group: str = ""


@dataclass(frozen=True)
class Term:
    """One metric of one task in an average.

    Attributes:
        task: name of the task.
        metric: name of the metric.
        share: what it contributes per unit of the metric; the shares of an average add up to 1.
    """

    task: str
    metric: str
    share: float


class Average(BaseModel):
    """A named average: a weighted mean of members, or with groups the plain mean of the groups' weighted means.

    Attributes:
        name: what records, tables and comparisons show in place of a task.
        label: a line for lists.
        members: the members.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    label: Annotated[str, Field(min_length=1)]
    members: Annotated[list[Member], Field(min_length=2)]
    _shipped_suite: str = PrivateAttr("")

    @property
    def shipped_suite(self) -> str:
        """The suite of this package that defines it; empty if it is a suite of the user's own."""
        return self._shipped_suite

    def of_shipped(self, suite: str) -> Average:
        """Return the average as one of a suite of this package."""
        found = self.model_copy()
        found._shipped_suite = suite
        return found

    @model_validator(mode="after")
    def _consistent(self) -> Average:
        pairs = [(member.task, name) for member in self.members for name in member.metric]
        if twice := [pair for pair in dict.fromkeys(pairs) if pairs.count(pair) > 1]:
            raise ValueError(f"average {self.name}: {' '.join(twice[0])} is a member twice; give it a weight instead.")
        without = [member.task for member in self.members if not member.group]
        if without and len(without) < len(self.members):
            raise ValueError(f"average {self.name}: {listing(without)} has no group; all members have one, or none.")
        return self

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks, each once."""
        return list(dict.fromkeys(member.task for member in self.members))

    @property
    def groups(self) -> list[str]:
        """Names of the groups; none without groups."""
        return [group for group in dict.fromkeys(member.group for member in self.members) if group]

    def terms(self) -> list[Term]:
        """Return every metric with its share in the average."""
        totals: dict[str, float] = {}
        for member in self.members:
            totals[member.group] = totals.get(member.group, 0.0) + member.weight
        return [
            Term(member.task, name, member.weight / (totals[member.group] * len(totals) * len(member.metric)))
            for member in self.members
            for name in member.metric
        ]

    @property
    def hash(self) -> str:
        """SHA-256 of what is averaged; neither the label nor the order of members changes it."""
        content = sorted((term.task, term.metric, round(term.share, 12)) for term in self.terms())
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    @property
    def protocol(self) -> str:
        """What is averaged, in words."""
        mean = "weighted mean" if len({member.weight for member in self.members}) > 1 else "mean"
        members = f"{len(self.members):,} members"
        if not self.groups:
            return f"{mean} of {members}"
        return f"mean of the {mean}s of {len(self.groups):,} groups ({', '.join(self.groups)}), {members}"


def fault_of(average: Average, tasks: Mapping[str, Task]) -> str:
    """Return what is wrong with the members of an average; empty where nothing is.

    Args:
        average: the average.
        tasks: all tasks by name.
    """
    faults = (_fault_of_member(member, tasks) for member in average.members)
    found = next((fault for fault in faults if fault), "") or _fault_of_mixture(average, tasks)
    return f"average {average.name}: {found}" if found else ""


def _fault_of_member(member: Member, tasks: Mapping[str, Task]) -> str:
    if member.task not in tasks:
        return f"no task {member.task!r}.{did_you_mean(member.task, tasks)}"
    metrics = tasks[member.task].card.metrics()
    unknown = next((name for name in member.metric if name not in metrics), "")
    if unknown:
        hint = did_you_mean(unknown, metrics) or f" It has {', '.join(metrics)}."
        return f"task {member.task} has no metric {unknown!r}.{hint}"
    metrics_of = [metric_of(name) for name in member.metric]
    odd = next((each for each in metrics_of if each.unit.name != "percent" or each.lower_is_better), None)
    return f"{odd.name} of {member.task} is no percentage of which more is better." if odd else ""


def _fault_of_mixture(average: Average, tasks: Mapping[str, Task]) -> str:
    drawn = [name for name in average.tasks if not tasks[name].card.source.on_disk]
    if drawn and len(drawn) < len(average.tasks):
        return f"{listing(drawn)} is of drawn scenes, which are never averaged with real data."
    return ""
