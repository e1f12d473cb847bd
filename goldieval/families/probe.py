"""Probes: classifiers on frozen image embeddings, fitted to a train split by one of several methods.

Methods differ in what they say of a model, and their numbers are not comparable with each other: the record contains
the method with all of its settings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from goldieval.core.errors import TaskError, listing
from goldieval.data.samples import Dataset, check_labels
from goldieval.data.subset import keep_images
from goldieval.families.aggregates import ties_of
from goldieval.families.base import Family, Prepared, Scored, TaskRun, params_of
from goldieval.families.calibration import calibration_of
from goldieval.families.classes import class_metrics, class_outcomes
from goldieval.families.probe_data import Classified, ProbeData
from goldieval.families.probe_few_shot import few_shot, needed, whole
from goldieval.families.probe_logistic import lars, logistic
from goldieval.families.probe_neighbours import by_neighbours
from goldieval.families.similarity import unit_images
from goldieval.tasks.card import Task
from goldieval.tasks.probe_params import ProbeParams

METHODS: dict[str, Callable[[ProbeData, ProbeParams], Classified]] = {
    "logistic": logistic,
    "lars": lars,
    "knn": by_neighbours,
    "ridge": whole,
    "prototype": whole,
}


@dataclass(kw_only=True)
class ProbePrepared(Prepared[ProbeParams]):
    """Labelled images of a train and a test split.

    Attributes:
        labels: class index of each image, shape (images,).
        train: whether each image belongs to the train split, shape (images,).
        class_names: name of each class.
    """

    labels: np.ndarray
    train: np.ndarray
    class_names: list[str]

    @property
    def class_labels(self) -> list[str]:
        return self.class_names


class LinearProbe(Family[ProbePrepared, torch.Tensor]):
    """Accuracy of a classifier on image embeddings."""

    def prepare(self, task: Task, dataset: Dataset) -> ProbePrepared:
        """Check that there are labels, and training images of every class that is tested. Raises TaskError if not.

        Of a few-shot probe, only those training images remain that a sample contains.
        """
        labels, train, params = dataset.labels, dataset.train, params_of(task, ProbeParams)
        if labels is None:
            raise TaskError("a probe needs labels, but the data have none: name the label column in `source`.")
        if train is None or not train.any():
            raise TaskError(
                "a probe needs training images, but the data have one split only: name `train` in `source`."
            )
        if train.all():
            raise TaskError("a probe needs test images, but all of these are training images: take more of them.")
        names = dataset.class_names or [str(label) for label in range(int(labels.max()) + 1)]
        check_labels(labels.tolist(), names, [image.id for image in dataset.images])
        untrained = sorted(set(labels[~train].tolist()) - set(labels[train].tolist()))
        if untrained:
            raise TaskError(
                f"{len(untrained):,} classes have test images but no training images: "
                f"{listing(names[label] for label in untrained)}. "
                "Add training images of these classes, or raise --limit."
            )
        part = _needed(dataset, params)
        assert part.labels is not None and part.train is not None
        return ProbePrepared(
            task=task,
            params=params,
            dataset=part,
            labels=part.labels,
            train=part.train,
            class_names=names,
            train_images=int(train.sum()),
        )

    def collect(self, run: TaskRun[ProbePrepared]) -> torch.Tensor:
        """Return the unit vector of each readable image, shape (images, dim)."""
        return unit_images(run)

    def score(self, prepared: ProbePrepared, evidence: torch.Tensor) -> Scored:
        """Fit the classifier and test it.

        Args:
            prepared: the task.
            evidence: unit vectors of all images in the order of the dataset, shape (images, dim).
        """
        images, names, params = prepared.dataset.images, prepared.class_names, prepared.params
        data = ProbeData(
            features=evidence,
            labels=torch.as_tensor(prepared.labels, device=evidence.device),
            classes=len(names),
            ids=[image.id for image in images],
            train=np.flatnonzero(prepared.train),
            tested=np.flatnonzero(~prepared.train),
        )
        found = few_shot(data, params) if params.shots else METHODS[params.method](data, params)
        ranks, predictions, places = found.counts.ranks(len(names))
        ties, warnings = ties_of([ranks], [1, 5] if len(names) > 5 else [1])
        true = prepared.labels[data.tested]
        outcomes = class_outcomes([images[row] for row in data.tested], true, names, ranks, predictions, places)
        outcomes |= dict(found.columns)
        metrics = class_metrics(prepared.task, outcomes, len(names))
        calibration = calibration_of(outcomes, found.probabilities) if found.probabilities else None
        return Scored(metrics, outcomes, ties, warnings + found.warnings, probe=found.probe, calibration=calibration)


FAMILY = LinearProbe()


def _needed(dataset: Dataset, params: ProbeParams) -> Dataset:
    """Return the test images with those training images that the method uses."""
    if not params.shots:
        return dataset
    assert dataset.train is not None and dataset.labels is not None
    rows = np.flatnonzero(dataset.train)
    keep = ~dataset.train
    keep[rows[needed([dataset.images[row].id for row in rows], dataset.labels[rows], params)]] = True
    return keep_images(dataset, keep)
