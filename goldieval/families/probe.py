"""Linear probe: logistic regression on frozen image embeddings, regularised by what a part of train says.

The test images are looked at once, by the final model. The recipe and what it chose are in the record: a linear probe
of another recipe (MAE's, which SuperCLIP reports) gives another number, and the two are not comparable.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from goldieval.core.errors import TaskError, listing
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
NO_WORSE = 1e-3  # nats of held-out loss that are no reason to prefer a weaker penalty
PATIENCE = 2  # penalties in a row that are worse than the best so far, after which no weaker one is tried


@dataclass(kw_only=True)
class ProbePrepared(Prepared[ProbeParams]):
    """Labelled images, some of them to learn from.

    Attributes:
        labels: class index of each image, shape (images,).
        train: images to learn from, shape (images,); all others are the test images.
        class_names: one for each class.
    """

    labels: np.ndarray
    train: np.ndarray
    class_names: list[str]


class LinearProbe(Family[ProbePrepared, torch.Tensor]):
    """Accuracy of logistic regression on image embeddings."""

    def prepare(self, task: Task, dataset: Dataset) -> ProbePrepared:
        """Check that there are labels, and images of every class to learn from and to score. Raises TaskError."""
        labels, train = dataset.labels, dataset.train
        if labels is None:
            raise TaskError("a probe needs labels, but the data have none: name the label column in `source`.")
        if train is None or not train.any():
            raise TaskError(
                "a probe needs images to learn from, but the data have one split: name `train` in `source`."
            )
        if train.all():
            raise TaskError("a probe needs test images, but all of these are to learn from: take more of them.")
        names = dataset.class_names or [str(label) for label in range(int(labels.max()) + 1)]
        check_labels(labels.tolist(), names, [image.id for image in dataset.images])
        unknown = sorted(set(labels[~train].tolist()) - set(labels[train].tolist()))
        if unknown:
            raise TaskError(
                f"{len(unknown):,} classes have test images and none to learn from: "
                f"{listing(names[label] for label in unknown)}."
            )
        return ProbePrepared(
            task=task,
            params=params_of(task, ProbeParams),
            dataset=dataset,
            class_labels=names,
            labels=labels,
            train=train,
            class_names=names,
        )

    def collect(self, run: TaskRun[ProbePrepared]) -> torch.Tensor:
        """Return the unit vector of each readable image, (images, dim)."""
        return unit_images(run)

    def score(self, prepared: ProbePrepared, evidence: torch.Tensor) -> Scored:
        """Fit, choose the penalty and test.

        Args:
            prepared: the task.
            evidence: unit vectors of all images in the dataset's order, (images, dim).
        """
        dataset, names, params = prepared.dataset, prepared.class_names, prepared.params
        labels = torch.as_tensor(prepared.labels, device=evidence.device)
        fitted = np.flatnonzero(prepared.train)
        held = fitted[held_out([dataset.images[row].id for row in fitted], prepared.labels[fitted], params.heldout)]
        model, probe, doubts = choose(evidence, labels, len(names), np.setdiff1d(fitted, held), held, params)
        tested = np.flatnonzero(~prepared.train)
        scores = model.scores(evidence[tested])
        ranks, predictions, places = true_class_ranks(scores, labels[tested].to(scores.device))
        true = prepared.labels[tested]
        metrics = class_metrics(places, true, len(names), prepared.task.card.ceiling)
        ties, warnings = ties_of([ranks], [1, 5] if len(names) > 5 else [1])
        outcomes = class_outcomes([dataset.images[row] for row in tested], true, names, ranks, predictions, places)
        return Scored(metrics, outcomes, ties, warnings + doubts, probe=probe)


FAMILY = LinearProbe()


def choose(
    features: torch.Tensor, labels: torch.Tensor, classes: int, rest: np.ndarray, held: np.ndarray, params: ProbeParams
) -> tuple[Linear, Probe, list[str]]:
    """Try penalties on ``rest``, take the one that is best on ``held``, and fit it to both.

    Penalties are tried from the strongest on, until ``PATIENCE`` in a row are worse than the best so far. The strongest
    whose held-out loss is within ``NO_WORSE`` of the lowest is taken: a loss is smooth where the number of right
    images is not, so that the last bits of the embeddings do not choose.

    Args:
        features: (rows, dim).
        labels: class indices, (rows,).
        classes: number of classes.
        rest: rows to fit on while choosing.
        held: rows held out to choose by.
        params: penalties and maximum number of solver steps.

    Returns:
        The model, what was chosen how, and what the reader must know of it.
    """
    penalties = sorted(params.penalties, reverse=True)
    models: list[Linear] = []
    losses: list[float] = []
    accuracy: list[float] = []
    while len(models) < len(penalties) and not _past_the_best(losses):
        start = models[-1] if models else None
        models.append(fit(features[rest], labels[rest], classes, penalties[len(models)], params.steps, start))
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
    return final, probe, _doubts(probe, penalties, unfinished)


def _chosen(losses: list[float]) -> int:
    """Return the place of the first loss within ``NO_WORSE`` of the lowest."""
    return int(np.argmax(np.array(losses) <= min(losses) + NO_WORSE))


def _past_the_best(losses: list[float]) -> bool:
    return len(losses) > PATIENCE and min(losses[-PATIENCE:]) > min(losses) + NO_WORSE


def _doubts(probe: Probe, penalties: list[float], unfinished: list[float]) -> list[str]:
    """Return warnings: an optimum that was not reached, a choice at an end of the card's penalties."""
    found: list[str] = []
    if unfinished or not probe.converged:
        where = ", ".join(f"{penalty:g}" for penalty in dict.fromkeys([*unfinished, probe.penalty]))
        found.append(
            f"the solver did not reach its optimum at penalty {where}, so another machine may get another score: "
            "raise the maximum number of steps with --set steps=N"
        )
    ends = {penalties[0]: "stronger", penalties[-1]: "weaker"}
    if len(penalties) > 1 and probe.penalty in ends:
        found.append(
            f"the chosen penalty {probe.penalty:g} is at the end of those tried: "
            f"try {ends[probe.penalty]} ones with --set penalties=[...]"
        )
    return found


def held_out(ids: list[str], labels: np.ndarray, part: float) -> np.ndarray:
    """Return the rows to hold out: ``part`` of each class, at least one where it has two, by the hash of their ids.

    Raises:
        TaskError: no class has two images.
    """
    order = np.array(sorted(range(len(ids)), key=lambda row: hashlib.sha256(ids[row].encode()).digest()))
    rows: list[int] = []
    for label in np.unique(labels):
        own = order[labels[order] == label]
        rows += own[: max(1, int(part * len(own)))].tolist() if len(own) > 1 else []
    if not rows:
        raise TaskError("a probe needs two images of some class to learn from: one is held out to choose the penalty.")
    return np.array(sorted(rows))
