"""Linear probe: logistic regression on frozen image embeddings, with a penalty chosen on held-out training images.

The test images are used once, by the final classifier. The record contains the recipe and the chosen penalty: a linear
probe of another recipe (such as MAE's, which SuperCLIP reports) gives a number that is not comparable.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from goldieval.core.errors import TaskError, listing
from goldieval.core.meter import tracked
from goldieval.data.samples import Dataset, check_labels
from goldieval.families.aggregates import ties_of
from goldieval.families.base import Family, Prepared, Scored, TaskRun, params_of
from goldieval.families.classes import class_metrics, class_outcomes
from goldieval.families.similarity import unit_images
from goldieval.metrics.accuracy import true_class_ranks
from goldieval.records.parts import Probe
from goldieval.scoring.logistic import TOLERANCE, Linear, fit
from goldieval.tasks.card import Task
from goldieval.tasks.params import ProbeParams

FEATURES = "image embeddings of unit length, standardised by the mean and deviation of the images fitted on"
SOLVER = (
    "logistic regression, L2 on the weights, L-BFGS in float64 until the gradient is "
    f"{TOLERANCE:g} of the penalty, no augmentation"
)
HELD_OUT_BY = "of each class the images whose ids hash lowest"
TOLERATED_LOSS = 1e-3  # difference of held-out loss in nats within which the stronger penalty is preferred
PATIENCE = 2  # number of consecutive penalties worse than the best, after which no weaker one is tried


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
    """Accuracy of logistic regression on image embeddings."""

    def prepare(self, task: Task, dataset: Dataset) -> ProbePrepared:
        """Check that there are labels, and training images of every class that is tested. Raises TaskError if not."""
        labels, train = dataset.labels, dataset.train
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
                f"{listing(names[label] for label in untrained)}."
            )
        return ProbePrepared(
            task=task,
            params=params_of(task, ProbeParams),
            dataset=dataset,
            labels=labels,
            train=train,
            class_names=names,
        )

    def collect(self, run: TaskRun[ProbePrepared]) -> torch.Tensor:
        """Return the unit vector of each readable image, shape (images, dim)."""
        return unit_images(run)

    def score(self, prepared: ProbePrepared, evidence: torch.Tensor) -> Scored:
        """Choose the penalty, fit the final classifier, and test it.

        Args:
            prepared: the task.
            evidence: unit vectors of all images in the order of the dataset, shape (images, dim).
        """
        dataset, names, params = prepared.dataset, prepared.class_names, prepared.params
        labels = torch.as_tensor(prepared.labels, device=evidence.device)
        fitted = np.flatnonzero(prepared.train)
        held = fitted[held_out([dataset.images[row].id for row in fitted], prepared.labels[fitted], params.heldout)]
        model, probe, fit_warnings = choose(evidence, labels, len(names), np.setdiff1d(fitted, held), held, params)
        tested = np.flatnonzero(~prepared.train)
        scores = model.scores(evidence[tested])
        ranks, predictions, places = true_class_ranks(scores, labels[tested].to(scores.device))
        true = prepared.labels[tested]
        ties, warnings = ties_of([ranks], [1, 5] if len(names) > 5 else [1])
        outcomes = class_outcomes([dataset.images[row] for row in tested], true, names, ranks, predictions, places)
        metrics = class_metrics(prepared.task, outcomes, len(names))
        return Scored(metrics, outcomes, ties, warnings + fit_warnings, probe=probe)


FAMILY = LinearProbe()


def choose(
    features: torch.Tensor, labels: torch.Tensor, classes: int, rest: np.ndarray, held: np.ndarray, params: ProbeParams
) -> tuple[Linear, Probe, list[str]]:
    """Fit with each penalty on ``rest``, choose the best one on ``held``, and fit with it on both.

    Penalties are tried from the strongest to the weakest, until ``PATIENCE`` in a row are worse than the best. The
    strongest one whose held-out loss is within ``TOLERATED_LOSS`` of the lowest is chosen. The criterion is the loss
    and not the accuracy because it is smooth, so that rounding of the embeddings does not change the choice.

    Args:
        features: features of all rows, shape (rows, dim).
        labels: class index of each row, shape (rows,).
        classes: number of classes.
        rest: rows to fit on while choosing.
        held: rows that are held out to choose the penalty.
        params: penalties and maximum number of solver steps.

    Returns:
        The final classifier, the fit in the form of the record, and warnings.
    """
    penalties = sorted(params.penalties, reverse=True)
    models: list[Linear] = []
    losses: list[float] = []
    accuracy: list[float] = []
    for penalty in tracked(penalties, "fitting the probe with each penalty", len(penalties)):
        if _is_past_the_best(losses):
            break
        start = models[-1] if models else None
        models.append(fit(features[rest], labels[rest], classes, penalty, params.steps, start))
        scores, true = models[-1].scores(features[held]), labels[held]
        losses.append(float(F.cross_entropy(scores, true.to(scores.device))))
        accuracy.append(float((scores.argmax(1) == true.to(scores.device)).double().mean()))
    tried, best = penalties[: len(models)], _chosen(losses)
    both = np.sort(np.concatenate([rest, held]))
    final = fit(features[both], labels[both], classes, tried[best], params.steps, models[best])
    probe = Probe(
        features=FEATURES,
        solver=f"{SOLVER}, at most {params.steps} steps",
        train=len(both),
        heldout=len(held),
        heldout_by=HELD_OUT_BY,
        penalties=tried,
        heldout_accuracy=accuracy,
        heldout_loss=losses,
        penalty=tried[best],
        steps=final.steps,
        converged=final.converged,
    )
    unfinished = [penalty for penalty, model in zip(tried, models, strict=True) if not model.converged]
    return final, probe, _fit_warnings(probe, penalties, unfinished)


def _chosen(losses: list[float]) -> int:
    """Return the index of the first loss within ``TOLERATED_LOSS`` of the lowest."""
    return int(np.argmax(np.array(losses) <= min(losses) + TOLERATED_LOSS))


def _is_past_the_best(losses: list[float]) -> bool:
    """Return whether the last ``PATIENCE`` losses are worse than the lowest one."""
    return len(losses) > PATIENCE and min(losses[-PATIENCE:]) > min(losses) + TOLERATED_LOSS


def _fit_warnings(probe: Probe, penalties: list[float], unfinished: list[float]) -> list[str]:
    """Return warnings about a solver that did not converge, and a chosen penalty at an end of the card's list."""
    lines: list[str] = []
    if unfinished or not probe.converged:
        where = ", ".join(f"{penalty:g}" for penalty in dict.fromkeys([*unfinished, probe.penalty]))
        lines.append(
            f"the solver did not reach its optimum at penalty {where}, so another machine may get another score: "
            "raise the maximum number of steps with --set steps=N"
        )
    ends = {penalties[0]: "stronger", penalties[-1]: "weaker"}
    if len(penalties) > 1 and probe.penalty in ends:
        lines.append(
            f"the chosen penalty {probe.penalty:g} is at the end of those tried: "
            f"try {ends[probe.penalty]} ones with --set penalties=[...]"
        )
    return lines


def held_out(ids: list[str], labels: np.ndarray, part: float) -> np.ndarray:
    """Return the rows to hold out, selected by the hash of their ids.

    Args:
        ids: image ids.
        labels: class index of each image, shape (images,).
        part: fraction of each class to hold out; at least one image of each class with two or more.

    Raises:
        TaskError: no class has two images.
    """
    order = np.array(sorted(range(len(ids)), key=lambda row: hashlib.sha256(ids[row].encode()).digest()))
    rows: list[int] = []
    for label in np.unique(labels):
        of_class = order[labels[order] == label]
        rows += of_class[: max(1, int(part * len(of_class)))].tolist() if len(of_class) > 1 else []
    if not rows:
        raise TaskError("a probe needs a class with two training images: one is held out to choose the penalty.")
    return np.array(sorted(rows))
