"""The plan of a run with one model: which tasks, and which contents are still to be encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goldieval.core.containment import utf8_safe
from goldieval.core.errors import TaskError
from goldieval.core.processes.group import OneProcess, Ranks
from goldieval.data.image_source import ImageSource
from goldieval.engine.chunks import Chunk
from goldieval.engine.encode import plan_images, plan_texts
from goldieval.engine.load import LoadedTask
from goldieval.engine.space import Space
from goldieval.engine.store import Store
from goldieval.families.base import Family, family_of
from goldieval.models.adapter import ModelInfo
from goldieval.models.inputs import Batching
from goldieval.tasks.card import Task
from goldieval.tasks.catalogue import command_name


@dataclass
class PlannedTask:
    """One task of a run with its samples, or with the reason why it cannot be run.

    Attributes:
        task: the card.
        folder: folder of its data.
        loaded: its samples, if they could be read.
        failure: why it cannot be run, else empty.
        heading: line that is shown above its result.
        requested_mode: scoring mode that the run requests; None leaves it to the card.
        origins: where its files come from.
        by_suite: whether a suite selected it; such a task is skipped where it does not apply to the model.
    """

    task: Task
    folder: Path
    loaded: LoadedTask | None = None
    failure: str = ""
    heading: str = ""
    requested_mode: str | None = None
    origins: list[str] = field(default_factory=list)
    by_suite: bool = False

    @property
    def family(self) -> Family[Any, Any]:
        return family_of(self.task.card.family)

    def fail(self, error: TaskError) -> None:
        """Note a failure: the task is recorded with its reason, and nothing more is done for it."""
        self.loaded, self.failure = None, utf8_safe(str(error))

    def scoring(self, info: ModelInfo) -> str:
        """Return the scoring mode in which a model is evaluated on this task."""
        return self.task.card.params.mode(info.scoring, self.requested_mode)


@dataclass(frozen=True)
class SkippedTask:
    """A task of a suite that is not run.

    Attributes:
        task: the card.
        reason: why it is not run.
        how_to_get: how to get its data; empty where that would not help.
    """

    task: Task
    reason: str
    how_to_get: str

    @property
    def how_to_get_any(self) -> str:
        """``how_to_get`` with TASK in place of the name, the same for all tasks that are fetched in the same way."""
        return self.how_to_get.replace(f"data get {command_name(self.task)}", "data get TASK")


def not_applicable(reason: str) -> str:
    """Return why a task is skipped that does not apply to the model."""
    return f"not applicable: {reason.rstrip('.')}"


@dataclass
class TowerPlan:
    """The work of one tower.

    Attributes:
        contents: pictures or texts by content key.
        space: where their embeddings are stored.
        chunks: the contents that are not stored yet.
    """

    contents: Mapping[str, str] | Mapping[str, ImageSource]
    space: Space
    chunks: list[Chunk]

    @property
    def missing(self) -> int:
        """Number of contents to encode."""
        return sum(len(chunk.keys) for chunk in self.chunks)

    def shares(self, ranks: int) -> list[int]:
        """Return how many contents each of several ranks encodes; chunk n belongs to rank n modulo their number."""
        sizes = [len(chunk.keys) for chunk in self.chunks]
        return [sum(sizes[rank::ranks]) for rank in range(ranks)]


@dataclass
class Plan:
    """The work of one model.

    Attributes:
        info: the description of the model.
        tasks: the tasks to run, including those that are known to fail.
        skipped: tasks of suites that are not run.
        images: work of the image tower; None for a model that does not encode.
        texts: work of the text tower; None for a model that does not encode.
        group_size: number of processes that share the work.
        batching: batch sizes of the run.
    """

    info: ModelInfo
    tasks: list[PlannedTask]
    skipped: list[SkippedTask] = field(default_factory=list)
    images: TowerPlan | None = None
    texts: TowerPlan | None = None
    group_size: int = 1
    batching: Batching = field(default_factory=Batching)

    @property
    def ready(self) -> list[tuple[PlannedTask, LoadedTask]]:
        """The tasks that can be run, with their samples."""
        return [(task, task.loaded) for task in self.tasks if task.loaded is not None and not task.failure]

    def skip(self, task: PlannedTask, reason: str) -> bool:
        """Skip a task that does not apply to the model if a suite selected it; return whether it was skipped."""
        if task.by_suite:
            self.tasks.remove(task)
            self.skipped.append(SkippedTask(task.task, not_applicable(reason), ""))
        return task.by_suite


def plan_towers(plan: Plan, store: Store, ranks: Ranks = OneProcess()) -> None:
    """Determine what each tower must encode, every distinct content once over all tasks.

    Rank 0 determines it for all ranks, since a store that another program fills may look different to each.
    """
    sources: dict[str, ImageSource] = {}
    texts: dict[str, str] = {}
    for task, loaded in plan.ready:
        sources |= loaded.sources if task.family.encodes_images(task.scoring(plan.info)) else {}
        texts |= loaded.texts
    image_space, text_space = store.space(plan.info.image_identity), store.space(plan.info.text_identity)
    chunks = plan_images(image_space, sources), plan_texts(text_space, texts)
    image_chunks, text_chunks = ranks.broadcast(chunks)
    plan.images = TowerPlan(sources, image_space, image_chunks)
    plan.texts = TowerPlan(texts, text_space, text_chunks)
