"""The interface of a task family: a class that prepares a task, collects evidence from a model, and scores it."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from goldieval.data.samples import Dataset
from goldieval.families.task_run import Params, Prepared, TaskRun
from goldieval.models.adapter import Model
from goldieval.models.inputs import Batching
from goldieval.records.parts import Approximation, Calibration, ClassScore, MeasuredMetric, Probe, Ties
from goldieval.tasks.card import Task

__all__ = ["Family", "Prepared", "Scored", "TaskRun", "family_of", "params_of"]


@dataclass
class Scored:
    """The results of a task.

    Attributes:
        metrics: metrics by name.
        outcomes: columns of the outcome file by name, one row per query.
        ties: queries whose rank depends on how ties are broken.
        warnings: warnings about the interpretation of the numbers, one line each.
        approximation: loss of a shortlist, by direction.
        probe: how a linear probe was fitted.
        calibration: probabilities of a classification, and their reliability.
        classes: scores of each class of a segmentation, by name.
        pixels: number of all and of ignored pixels of the masks, and number of classes present.
        pictures: PNG files by name, if the run saves pictures.
        files: other files to be written beside the record, such as answers for a benchmark's server, by name: letters,
            digits, dots and hyphens.
        settings: settings of the task that depend on the model, see ``Family.settings``.
    """

    metrics: dict[str, MeasuredMetric]
    outcomes: dict[str, np.ndarray]
    ties: Ties
    warnings: list[str] = field(default_factory=list)
    approximation: dict[str, Approximation] = field(default_factory=dict)
    probe: Probe | None = None
    calibration: Calibration | None = None
    classes: dict[str, ClassScore] = field(default_factory=dict)
    pixels: dict[str, int] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


PreparedT = TypeVar("PreparedT", bound=Prepared[Any])
Evidence = TypeVar("Evidence")


class Family(ABC, Generic[PreparedT, Evidence]):
    """One kind of task, from samples to metrics.

    Attributes:
        draws_pictures: whether the family can draw its predictions.
        uses_prompts: whether the family can evaluate a model that answers prompts and has no embeddings.
    """

    draws_pictures: ClassVar[bool] = False
    uses_prompts: ClassVar[bool] = False

    @abstractmethod
    def prepare(self, task: Task, dataset: Dataset) -> PreparedT:
        """Check that the samples have what the family needs, and list the texts to encode.

        Args:
            task: the task card.
            dataset: the samples.

        Raises:
            TaskError: something is missing or does not match.
        """

    def enlarged(self, task: Task, dataset: Dataset) -> Dataset:
        """Return the samples that are scored: those of the data, or several made of each, such as corrupted copies.

        It is called once, after the data were counted and limited; ``prepare`` is called again with the result.

        Args:
            task: the task card.
            dataset: the samples of the data.

        Raises:
            TaskError: they cannot be made of these samples.
        """
        return dataset

    def check_model(self, model: Model, mode: str) -> None:
        """Check before any work that a model has the methods that the family needs in a scoring mode.

        Args:
            model: the model.
            mode: the resolved scoring mode.

        Raises:
            NotApplicableError: the model lacks a method; the task does not apply to it.
        """

    def check_mode(self, prepared: PreparedT, mode: str) -> None:
        """Check before any work that a prepared task can be scored in a mode.

        Args:
            prepared: the task.
            mode: the resolved scoring mode.

        Raises:
            NotApplicableError: it cannot.
        """

    def settings(self, prepared: PreparedT, model: Model) -> dict[str, Any]:
        """Return what the record says about how this model is evaluated, beyond the card; most families: nothing.

        Args:
            prepared: the task.
            model: the model.
        """
        return {}

    def encodes_images(self, mode: str) -> bool:
        """Return whether a scoring mode needs one embedding per image."""
        return True

    def divides(self, mode: str) -> bool:
        """Return whether ``collect`` divides its work among the ranks of ``run.group`` in a scoring mode.

        If so, every rank calls ``collect`` and must make the same calls of the group in the same order, whatever its
        share of the work; rank 0 must return the evidence of the whole task, what the others return is ignored. If
        not, only rank 0 calls it. ``score`` is called by rank 0 only.
        """
        return False

    def divided_units(self, prepared: PreparedT, batching: Batching) -> tuple[int, str]:
        """Return number and name of the units among which ``collect`` divides its work: batches of pictures.

        Args:
            prepared: the task.
            batching: batch sizes of the run.
        """
        return -(-len(prepared.dataset.images) // batching.images), f"batches of at most {batching.images:,} images"

    @abstractmethod
    def collect(self, run: TaskRun[PreparedT]) -> Evidence:
        """Compute with the model what ``score`` needs; unreadable pictures are removed from ``run.prepared``.

        Whatever takes long or depends on the model belongs here.

        Args:
            run: the task and the model.

        Raises:
            TaskError: too many pictures are unreadable, or the output of the model is invalid.
        """

    @abstractmethod
    def score(self, prepared: PreparedT, evidence: Evidence) -> Scored:
        """Compute outcomes and metrics from the evidence.

        Args:
            prepared: the task, with the samples that the evidence covers.
            evidence: result of ``collect``.
        """


def family_of(name: str) -> Family[Any, Any]:
    """Return the family that is defined in the module of that name; card types have validated the name."""
    module = importlib.import_module(f"goldieval.families.{name.replace('-', '_')}")
    family: Family[Any, Any] = module.FAMILY
    return family


def params_of(task: Task, kind: type[Params]) -> Params:
    """Return the parameters of a task, which have the type of the family.

    Args:
        task: the task.
        kind: the type.

    Raises:
        TypeError: the card belongs to another family.
    """
    params = task.card.params
    if not isinstance(params, kind):
        raise TypeError(f"{task.name} has {type(params).__name__}, not {kind.__name__}")
    return params
