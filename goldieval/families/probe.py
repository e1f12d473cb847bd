"""Linear probe: logistic regression on frozen image embeddings, regularised by what a part of train says.

The test images are looked at once, by the final model. The recipe and what it chose are in the record: a linear probe
of another recipe (MAE's, which SuperCLIP reports) gives another number, and the two are not comparable.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
import torch.nn.functional as F

from goldieval.core.errors import TaskError, listing
from goldieval.data.samples import Dataset, check_labels
from goldieval.families.base import Prepared, Scored, metric, ties_of
from goldieval.metrics.accuracy import true_class_ranks
from goldieval.metrics.intervals import mean_per_class, share
from goldieval.records.parts import MeasuredMetric, Probe
from goldieval.scoring.logistic import TOLERANCE, Linear, fit
from goldieval.tasks.card import Task
from goldieval.tasks.params import ProbeParams

SUMMARY = ("acc1", "acc5", "mean_per_class_recall")
FEATURES = "image embeddings of unit length, standardised by the mean and deviation of the images fitted on"
SOLVER = (
    "logistic regression, L2 on the weights, L-BFGS in float64 until the gradient is "
    f"{TOLERANCE:g} of the penalty, no augmentation"
)
HELD_OUT_BY = "of each class the images whose ids hash lowest"
NO_WORSE = 1e-3  # nats of held-out loss that are no reason to prefer a weaker penalty
PATIENCE = 2  # penalties in a row that are worse than the best so far, after which no weaker one is tried


def prepare(task: Task, dataset: Dataset) -> Prepared:
    """Check that there are labels, and images of every class to learn from and to score. Raises TaskError."""
    if dataset.labels is None:
        raise TaskError("a probe needs labels, but the data have none: name the label column in `source`.")
    if dataset.train is None or not dataset.train.any():
        raise TaskError("a probe needs images to learn from, but the data have one split: name `train` in `source`.")
    if dataset.train.all():
        raise TaskError("a probe needs test images, but all of these are to learn from: take more of them.")
    names = dataset.class_names or [str(label) for label in range(int(dataset.labels.max()) + 1)]
    check_labels(dataset.labels.tolist(), names, [image.id for image in dataset.images])
    unknown = sorted(set(dataset.labels[~dataset.train].tolist()) - set(dataset.labels[dataset.train].tolist()))
    if unknown:
        raise TaskError(
            f"{len(unknown):,} classes have test images and none to learn from: {listing(names[c] for c in unknown)}."
        )
    return Prepared(task, dataset, [], extra=(names,))


def score(prepared: Prepared, features: torch.Tensor) -> Scored:
    """Fit, choose and test.

    Args:
        features: unit vectors of all images in the dataset's order, (images, dim).
    """
    dataset, card = prepared.dataset, prepared.task.card
    assert isinstance(card.params, ProbeParams) and dataset.labels is not None and dataset.train is not None
    (names,) = prepared.extra
    labels = torch.as_tensor(dataset.labels, device=features.device)
    fitted = np.flatnonzero(dataset.train)
    held = fitted[held_out([dataset.images[row].id for row in fitted], dataset.labels[fitted], card.params.heldout)]
    model, probe, doubts = choose(features, labels, len(names), np.setdiff1d(fitted, held), held, card.params)
    tested = np.flatnonzero(~dataset.train)
    scores = model.scores(features[tested])
    ranks, predictions, places = true_class_ranks(scores, labels[tested].to(scores.device))
    metrics = _metrics(places, dataset.labels[tested], len(names), card.ceiling)
    ties, warnings = ties_of([ranks], [1, 5] if len(names) > 5 else [1])
    ids = np.asarray([dataset.images[row].id for row in tested], dtype=object)
    outcomes = {
        "direction": np.full(len(tested), "i2c", dtype=object),
        "sample_id": ids,
        "cluster_id": ids,
        "label": dataset.labels[tested],
        "prediction": predictions,
        "place": places,
        "rank_low": ranks.low,
        "rank_high": ranks.high,
        "image": np.asarray([dataset.images[row].path for row in tested], dtype=object),
        "text": np.asarray([names[label] for label in dataset.labels[tested]], dtype=object),
    }
    return Scored(metrics, outcomes, ties, warnings + doubts, probe=probe)


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


def _metrics(places: np.ndarray, labels: np.ndarray, classes: int, ceiling: float | None) -> dict[str, MeasuredMetric]:
    found = {"acc1": metric(share(places < 1), 1 / classes, ceiling)}
    if classes > 5:
        found["acc5"] = metric(share(places < 5), 5 / classes, ceiling)
    found["mean_per_class_recall"] = metric(mean_per_class(places < 1, labels), 1 / classes, ceiling)
    return found
