"""Linear probe: logistic regression on frozen image embeddings, regularised by what a part of train says.

The test images are looked at once, by the final model. The recipe and what it chose are in the record: a linear probe
of another recipe (MAE's, which SuperCLIP reports) gives another number, and the two are not comparable.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from goldieval.card import Task
from goldieval.data.samples import Dataset, check_labels
from goldieval.errors import TaskError, listing
from goldieval.families.base import Prepared, Scored, metric, ties_of
from goldieval.families.params import ProbeParams
from goldieval.metrics.accuracy import true_class_ranks
from goldieval.metrics.intervals import mean_per_class, share
from goldieval.record import Metric, Probe
from goldieval.scoring.logistic import Linear, fit

SUMMARY = ("acc1", "acc5", "mean_per_class_recall")
FEATURES = "image embeddings of unit length, standardised by the mean and deviation of the images fitted on"
SOLVER = "logistic regression, L2 on the weights, L-BFGS from the next larger penalty's solution, no augmentation"
HELD_OUT_BY = "of each class the images whose ids hash lowest"


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
    model, probe = choose(features, labels, len(names), np.setdiff1d(fitted, held), held, card.params)
    tested = np.flatnonzero(~dataset.train)
    ranks, predictions, places = true_class_ranks(model.scores(features[tested]), labels[tested])
    metrics = _metrics(places, dataset.labels[tested], len(names), card.ceiling)
    ties, warnings = ties_of([ranks], [1, 5] if len(names) > 5 else [1])
    if probe.penalty in (probe.penalties[0], probe.penalties[-1]) and len(probe.penalties) > 1:
        warnings.append(f"the chosen penalty {probe.penalty:g} is at the end of those tried: try more with --set")
    if probe.steps >= card.params.steps:
        warnings.append(f"the solver took all {probe.steps} steps: its optimum is not reached, see --set steps=N")
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
    return Scored(metrics, outcomes, ties, warnings, probe=probe)


def choose(
    features: torch.Tensor, labels: torch.Tensor, classes: int, rest: np.ndarray, held: np.ndarray, params: ProbeParams
) -> tuple[Linear, Probe]:
    """Try every penalty on ``rest``, take the one that is best on ``held``, and fit it to both.

    Of equally good penalties the largest is taken. ``rest`` and ``held`` are row indices.
    """
    penalties = sorted(params.penalties, reverse=True)
    accuracy: list[float] = []
    models: list[Linear] = []
    for penalty in penalties:
        start = models[-1] if models else None
        models.append(fit(features[rest], labels[rest], classes, penalty, params.steps, start))
        right = models[-1].scores(features[held]).argmax(1) == labels[held]
        accuracy.append(float(right.float().mean()))
    best = int(np.argmax(accuracy))
    both = np.sort(np.concatenate([rest, held]))
    final = fit(features[both], labels[both], classes, penalties[best], params.steps, models[best])
    probe = Probe(
        features=FEATURES,
        solver=f"{SOLVER}, at most {params.steps} steps",
        train=len(both),
        heldout=len(held),
        heldout_by=HELD_OUT_BY,
        penalties=penalties,
        heldout_accuracy=accuracy,
        penalty=penalties[best],
        steps=final.steps,
    )
    return final, probe


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


def _metrics(places: np.ndarray, labels: np.ndarray, classes: int, ceiling: float | None) -> dict[str, Metric]:
    found = {"acc1": metric(share(places < 1), 1 / classes, ceiling)}
    if classes > 5:
        found["acc5"] = metric(share(places < 5), 5 / classes, ceiling)
    found["mean_per_class_recall"] = metric(mean_per_class(places < 1, labels), 1 / classes, ceiling)
    return found
