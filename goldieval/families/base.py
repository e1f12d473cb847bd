"""What a task family is: a class that prepares a task, collects evidence from a model, and scores it."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from goldieval.core.meter import Meter
from goldieval.data.samples import Dataset, ImageSource, TextSample
from goldieval.models.adapter import Model
from goldieval.models.inputs import Batching
from goldieval.records.parts import Approximation, ClassScore, MeasuredMetric, Probe, Ties
from goldieval.tasks.card import Task
from goldieval.tasks.params import FamilyParams

Params = TypeVar("Params", bound=FamilyParams)


@dataclass(kw_only=True)
class Prepared(Generic[Params]):
    """A task with its samples, checked for what its family needs. Families add fields of their own.

    Attributes:
        task: the task card.
        params: the card's parameters.
        dataset: the samples.
        texts: every text to be encoded, in the order in which its embeddings are returned.
        details: what of the preparation enters the record's ``task``.
        class_labels: name of each class, where the samples have classes.
    """

    task: Task
    params: Params
    dataset: Dataset
    texts: list[TextSample] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    class_labels: list[str] | None = None


@dataclass
class Scored:
    """What a family measured.

    Attributes:
        metrics: by name.
        outcomes: columns of the outcomes' file by name, one row for each query.
        ties: queries whose rank depends on how ties are broken.
        warnings: lines for the reader.
        approximation: what a shortlist loses, by direction.
        probe: how a linear probe was fitted.
        classes: scores of single classes, by name.
        pixels: number of pixels of masks, in all and ignored, and of classes present.
        pictures: PNG files by name, where they were asked for.
    """

    metrics: dict[str, MeasuredMetric]
    outcomes: dict[str, np.ndarray]
    ties: Ties
    warnings: list[str] = field(default_factory=list)
    approximation: dict[str, Approximation] = field(default_factory=dict)
    probe: Probe | None = None
    classes: dict[str, ClassScore] = field(default_factory=dict)
    pixels: dict[str, int] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)


PreparedT = TypeVar("PreparedT", bound=Prepared[Any])
Evidence = TypeVar("Evidence")
_T_co = TypeVar("_T_co", bound=Prepared[Any], covariant=True)


class TaskRun(Protocol[_T_co]):
    """One task in front of one model: what the engine provides while a family collects evidence.

    Attributes:
        model: the model.
        mode: the scoring mode, resolved.
        device: where scores are computed.
        batching: sizes of batches, and number of threads.
        pictures_to_draw: how many pictures the user wants to see with what was predicted for them.
    """

    model: Model
    mode: str
    device: str
    batching: Batching
    pictures_to_draw: int

    @property
    def prepared(self) -> _T_co:
        """The task, without the pictures that ``leave_out`` has taken out so far."""

    @property
    def keys(self) -> list[str]:
        """Content key of each image of the dataset, empty where its file cannot be read."""

    @property
    def sources(self) -> Mapping[str, ImageSource]:
        """Where each picture comes from, by content key."""

    @property
    def failed(self) -> Mapping[str, str]:
        """Content key to reason, of the pictures that could not be encoded."""

    def leave_out(self, failed: Mapping[str, str]) -> None:
        """Take unreadable pictures out of ``prepared``, those included whose file cannot be read.

        Args:
            failed: content key to reason.

        Raises:
            TaskError: more pictures are unreadable than the user allows.
        """

    def image_embeddings(self) -> np.ndarray:
        """Return the embedding of each image, (images, dim), not normalised, after ``leave_out(failed)``."""

    def text_embeddings(self) -> np.ndarray:
        """Return the embedding of each of ``prepared.texts``, (texts, dim), not normalised."""

    def working(self, phase: str, unit: str, total: int) -> AbstractContextManager[Meter]:
        """Put the model in evaluation mode, time a phase of the work and show its progress.

        Args:
            phase: the name of the phase among the record's ``seconds``.
            unit: what is counted.
            total: number of items.
        """


class Family(ABC, Generic[PreparedT, Evidence]):
    """One kind of task, from samples to metrics.

    Attributes:
        draws_pictures: whether the family can draw what was predicted.
    """

    draws_pictures: ClassVar[bool] = False

    @abstractmethod
    def prepare(self, task: Task, dataset: Dataset) -> PreparedT:
        """Check that the samples have what the family needs, and list the texts to be encoded.

        Raises:
            TaskError: something is missing or does not match.
        """

    def check_model(self, model: Model, mode: str) -> None:
        """Check, before any work is done, that a model can do what the family needs of it in a scoring mode.

        Raises:
            NotApplicableError: the model cannot.
        """

    def encodes_images(self, mode: str) -> bool:
        """Return whether one embedding of each image is needed in a scoring mode."""
        return True

    @abstractmethod
    def collect(self, run: TaskRun[PreparedT]) -> Evidence:
        """Get from the model what the score is made of; unreadable pictures are left out of ``run.prepared``.

        Raises:
            TaskError: too many unreadable pictures, or useless output of the model.
        """

    @abstractmethod
    def score(self, prepared: PreparedT, evidence: Evidence) -> Scored:
        """Turn evidence into outcomes and metrics.

        Args:
            prepared: the task whose samples the evidence is about.
            evidence: what ``collect`` returned.
        """


def family_of(name: str) -> Family[Any, Any]:
    """Return the family of that name, the one in the module of that name; the card's type has checked the name."""
    module = importlib.import_module(f"goldieval.families.{name}")
    family: Family[Any, Any] = module.FAMILY
    return family


def params_of(task: Task, kind: type[Params]) -> Params:
    """Return the parameters of a task's card, which are of the family's own type.

    Raises:
        TypeError: the card is one of another family.
    """
    params = task.card.params
    if not isinstance(params, kind):
        raise TypeError(f"{task.name} has {type(params).__name__}, not {kind.__name__}")
    return params
