"""The prepared form of a dense probe: pictures of a train and a test split, and what is predicted for their pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset
from goldieval.families.base import Prepared, params_of
from goldieval.families.dense_probe_classes import class_target
from goldieval.families.dense_probe_depth import depth_target
from goldieval.families.dense_probe_target import Target
from goldieval.tasks.card import Task
from goldieval.tasks.dense_probe_params import DenseProbeParams

TARGETS: dict[str, Callable[[Task, DenseProbeParams, Dataset], Target]] = {
    "classes": class_target,
    "depth": depth_target,
}


@dataclass(kw_only=True)
class DenseProbePrepared(Prepared[DenseProbeParams]):
    """Pictures of a train and a test split.

    Attributes:
        target: what is predicted, with the truth of every picture.
        train: indices of the training pictures, shape (train,).
        tested: indices of the test pictures, shape (tested,).
    """

    target: Target
    train: np.ndarray
    tested: np.ndarray

    @property
    def class_labels(self) -> list[str] | None:
        return self.target.labels


def prepared_probe(task: Task, dataset: Dataset) -> DenseProbePrepared:
    """Check that there are pictures of both splits, and enough of them. Raises TaskError if not."""
    params = params_of(task, DenseProbeParams)
    target = TARGETS[params.target](task, params, dataset)
    if dataset.train is None or not dataset.train.any():
        raise TaskError("a dense probe needs training images, but the data have none: name `train` in `source`.")
    if dataset.train.all():
        raise TaskError("a dense probe needs test images, but all of these are training images: take more of them.")
    train = np.flatnonzero(dataset.train)
    if len(params.learning_rates) > 1 and len(train) < 2 and not params.finetune:
        raise TaskError(
            "a dense probe needs two training images: one is held out to choose the learning rate. "
            "Raise --limit, or give a single one with --set learning_rates=[0.001]."
        )
    return DenseProbePrepared(
        task=task,
        params=params,
        dataset=dataset,
        details={"settings": params.recorded},
        target=target,
        train=train,
        tested=np.flatnonzero(~dataset.train),
    )
