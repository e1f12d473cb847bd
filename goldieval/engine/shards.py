"""Division of models and tasks among jobs that know nothing of each other, such as those of a Slurm array."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from goldieval.core.errors import GoldievalError
from goldieval.tasks.catalogue import Selection

T = TypeVar("T")
ARRAY = "array"
_TEXT = re.compile(r"\s*([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*")


@dataclass(frozen=True)
class Shard:
    """One of several equal parts of some work.

    Model n belongs to job n modulo the number of jobs, so that checkpoints that are added at the end of a list change
    nothing for the others. If there are more jobs than models, the jobs of a model divide its tasks in the same way.

    Attributes:
        index: number of the part, from 0.
        count: number of parts.
    """

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def models(self, models: Sequence[T]) -> list[tuple[T, Shard]]:
        """Return the models of this job, each with the part of its tasks that this job evaluates.

        >>> Shard(1, 2).models(["a", "b", "c"]), Shard(3, 5).models(["a", "b"])
        ([('b', Shard(index=0, count=1))], [('b', Shard(index=1, count=2))])
        """
        if self.count <= len(models):
            return [(model, WHOLE) for model in models[self.index :: self.count]]
        if not models:
            return []
        number = self.index % len(models)
        jobs = range(number, self.count, len(models))
        return [(models[number], Shard(jobs.index(self.index), len(jobs)))]

    def tasks(self, names: Iterable[str]) -> list[str]:
        """Return the names of the tasks of this part; which they are does not depend on their order."""
        return sorted(names)[self.index :: self.count]

    def selection(self, selection: Selection) -> Selection:
        """Return this part of the tasks of a model; the first part also has those that the model leaves out."""
        own = set(self.tasks(task.name for task in selection.tasks))
        tasks = [task for task in selection.tasks if task.name in own]
        return replace(selection, tasks=tasks, skipped=[] if self.index else selection.skipped)


WHOLE = Shard(0, 1)


def to_shard(value: Any) -> Shard | None:
    """Return the shard that a caller specifies: ``I/N``, ``array``, a pair of numbers, or None for all work.

    Raises:
        GoldievalError: it is none of these, or I is not one of 0 to N-1.
    """
    if value is None or isinstance(value, Shard):
        return value
    if value == ARRAY:
        return _of_array(os.environ)
    given = _TEXT.fullmatch(value) if isinstance(value, str) else None
    pair = given.groups() if given else value
    if not isinstance(pair, tuple | list) or len(pair) != 2 or any(isinstance(each, bool) for each in pair):
        raise GoldievalError(f"--shard {value}: write I/N, such as 0/8 for the first of eight jobs, or array.")
    try:
        shard = Shard(*(int(each) if isinstance(each, str) else operator.index(each) for each in pair))
    except (TypeError, ValueError):
        raise GoldievalError(f"--shard {value}: I and N are whole numbers, such as 0/8.") from None
    if not 0 <= shard.index < shard.count:
        last = max(shard.count, 1) - 1
        raise GoldievalError(f"--shard {shard}: I is counted from 0: write one of 0/{last + 1} to {last}/{last + 1}.")
    return shard


def _of_array(environment: Mapping[str, str]) -> Shard:
    """Return the shard of this job of a Slurm array. Raises GoldievalError outside of one, or for one with gaps."""
    names = ("TASK_ID", "TASK_MIN", "TASK_MAX", "TASK_STEP", "TASK_COUNT")
    texts = {name: environment.get(f"SLURM_ARRAY_{name}", "1" if name == "TASK_STEP" else "") for name in names}
    wrong = [f"$SLURM_ARRAY_{name}" for name, text in texts.items() if not re.fullmatch("[0-9]{1,9}", text)]
    if wrong:
        raise GoldievalError(
            f"--shard array: {', '.join(wrong)} is not set to a number, so this is no job of a Slurm array. "
            "Submit it with sbatch --array=0-7, or write --shard I/N."
        )
    number, first, last, step, count = (int(texts[name]) for name in names)
    if step == 0 or (last - first) % step or (last - first) // step + 1 != count or (number - first) % step:
        raise GoldievalError(
            f"--shard array: the array has {count} jobs, not every number from {first} to {last}"
            f"{f' in steps of {step}' if step > 1 else ''}. Submit it without gaps, such as --array=0-{count - 1}, or "
            "write --shard I/N."
        )
    return to_shard(((number - first) // step, count)) or WHOLE


def division_note(shard: Shard | None, models: int, own: int) -> str:
    """Return a line on what a job evaluates of all models, or on a division that may have been forgotten; or nothing.

    Args:
        shard: the shard; None for all work.
        models: number of models of all jobs.
        own: number of models of this job.
    """
    if shard is not None:
        return f"shard {shard}: {own:,} of {models:,} models{'' if shard.count <= models else ', some of its tasks'}"
    jobs = os.environ.get("SLURM_ARRAY_TASK_COUNT", "")
    if models > 1 and re.fullmatch("[0-9]{1,9}", jobs) and int(jobs) > 1:
        return f"each of the {int(jobs):,} jobs of this array evaluates all {models:,} models: see --shard array"
    return ""
