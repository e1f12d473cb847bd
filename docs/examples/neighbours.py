"""Nearest neighbours: is the most similar other image of the same class? An example of a task family of one's own.

It lies in ``goldieval/families/neighbours.py``; a card with ``family: neighbours`` names it. Its evidence is of a kind
that no other family has: the index of the most similar other image of each image.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset
from goldieval.families.aggregates import measure
from goldieval.families.base import Family, Prepared, Scored, TaskRun, params_of
from goldieval.families.similarity import unit_images
from goldieval.records.parts import Ties
from goldieval.tasks.card import CardBase, Task
from goldieval.tasks.params import FamilyParams


class NeighboursParams(FamilyParams):
    """This family has no parameters."""

    def mode(self, own: str, asked: str | None = None) -> Literal["neighbours"]:
        """Images are compared with images, whatever the model's scoring mode."""
        return "neighbours"


class NeighboursCard(CardBase):
    """A shipped family has its card type in ``goldieval/tasks/card_types.py``."""

    family: Literal["neighbours"]
    params: NeighboursParams = NeighboursParams()

    def metrics(self) -> list[str]:
        """Return the metrics of this family; ``accuracy`` is one that exists."""
        return ["accuracy"]


class Neighbours(Family[Prepared[NeighboursParams], np.ndarray]):
    """Share of images whose nearest neighbour has their label."""

    def prepare(self, task: Task, dataset: Dataset) -> Prepared[NeighboursParams]:
        """Check that the images are labelled. No text is encoded. Raises TaskError."""
        if dataset.labels is None:
            raise TaskError("neighbours need labels, but the data have none: name the label column in `source`.")
        return Prepared(task=task, params=params_of(task, NeighboursParams), dataset=dataset)

    def collect(self, run: TaskRun[Prepared[NeighboursParams]]) -> np.ndarray:
        """Return the index of the most similar other image of each image, shape (images,)."""
        units = unit_images(run)
        neighbours: np.ndarray = (units @ units.T).fill_diagonal_(-2).argmax(1).cpu().numpy()
        return neighbours

    def score(self, prepared: Prepared[NeighboursParams], evidence: np.ndarray) -> Scored:
        """Compare the label of each image with that of its neighbour. Chance is a neighbour drawn at random."""
        labels, ids = prepared.dataset.labels, [image.id for image in prepared.dataset.images]
        assert labels is not None
        others = np.array([(labels == label).sum() - 1 for label in labels])
        outcomes = {
            "direction": np.full(len(ids), "neighbours", dtype=object),
            "sample_id": np.array(ids, dtype=object),
            "cluster_id": np.array(ids, dtype=object),
            "neighbour": np.array([ids[row] for row in evidence], dtype=object),
            "right": labels[evidence] == labels,
        }
        context = {"chance": others / (len(ids) - 1)}
        return Scored(measure(prepared.task, outcomes, context), outcomes, Ties())


FAMILY = Neighbours()
