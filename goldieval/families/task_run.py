"""What a family is given: a prepared task, and what the engine provides while evidence is collected."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from goldieval.core.group import Group
from goldieval.core.meter import Meter
from goldieval.data.image_source import ImageSource
from goldieval.data.samples import Dataset, TextSample
from goldieval.families.finished import Parts
from goldieval.families.kept import KeptArrays
from goldieval.models.adapter import Model
from goldieval.models.inputs import Batching
from goldieval.tasks.card import Task
from goldieval.tasks.params import FamilyParams

Params = TypeVar("Params", bound=FamilyParams)


@dataclass(kw_only=True)
class Prepared(Generic[Params]):
    """A task with its samples, validated for its family. Families add their own fields.

    Attributes:
        task: the task card.
        params: parameters of the card.
        dataset: the samples.
        texts: texts to encode, in the order in which their embeddings are returned.
        details: fields of the record's ``task`` that the preparation determines.
        train_images: number of images of the train split, where the samples have only those that are needed.
    """

    task: Task
    params: Params
    dataset: Dataset
    texts: list[TextSample] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    train_images: int | None = None

    @property
    def class_labels(self) -> list[str] | None:
        """Name of each class; None if the samples have no classes."""
        return None


_T_co = TypeVar("_T_co", bound=Prepared[Any], covariant=True)


class TaskRun(Protocol[_T_co]):
    """One task evaluated with one model: what the engine provides while a family collects evidence.

    Attributes:
        model: the model.
        mode: the resolved scoring mode.
        logit_factor: factor of cosines before the model's own softmax or sigmoid; None if it is unknown.
        device: device on which scores are computed.
        batching: batch sizes and number of threads.
        pictures_to_draw: number of pictures to draw with their predictions.
        group: the processes among which a family may divide its work, see ``Family.divides``.
        parts: finished parts of the work on this task, whose numbers do not depend on the number of processes.
    """

    model: Model
    mode: str
    logit_factor: float | None
    device: str
    batching: Batching
    pictures_to_draw: int
    group: Group
    parts: Parts

    @property
    def prepared(self) -> _T_co:
        """The task, without the pictures that ``leave_out`` has removed so far."""

    @property
    def keys(self) -> list[str]:
        """Content key of each image of the dataset, empty if its file cannot be read."""

    @property
    def sources(self) -> Mapping[str, ImageSource]:
        """Sources of the readable pictures, by content key."""

    @property
    def failed(self) -> Mapping[str, str]:
        """Content key to reason, of the pictures that could not be encoded."""

    def leave_out(self, failed: Mapping[str, str]) -> None:
        """Remove unreadable pictures from ``prepared``, including those whose file cannot be read.

        Args:
            failed: content key to reason, of pictures that cannot be decoded.

        Raises:
            TaskError: more pictures are unreadable than the run allows.
        """

    def image_embeddings(self) -> np.ndarray:
        """Return the embedding of each image after ``leave_out(failed)``, not normalised, shape (images, dim).

        They are on rank 0 only; the embeddings of texts are on every rank.
        """

    def text_embeddings(self) -> np.ndarray:
        """Return the embedding of each of ``prepared.texts``, not normalised, shape (texts, dim)."""

    def kept(self, settings: Mapping[str, Any]) -> KeptArrays:
        """Return large arrays by picture that this or an earlier run has kept in the store for this model.

        Args:
            settings: everything that determines them besides the model and the pictures, as values of JSON.
        """

    def note(self, line: str) -> None:
        """Show a line on how the work is done, while it is."""

    def working(self, phase: str, what: str, total: int) -> AbstractContextManager[Meter]:
        """Set the model to evaluation mode, time a phase of the work, and show its progress.

        Args:
            phase: name of the phase in the record's ``seconds``.
            what: what is done, such as ``segmenting images``.
            total: number of items.
        """
