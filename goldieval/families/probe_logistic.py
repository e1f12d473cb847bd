"""Logistic regression on frozen image embeddings, with a penalty chosen on held-out training images.

The test images are used once, by the final classifier. The record contains the recipe and the chosen penalty: a linear
probe of another recipe (such as MAE's, which SuperCLIP reports) gives a number that is not comparable.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
import torch.nn.functional as F

from goldieval.core.errors import TaskError
from goldieval.core.meter import tracked
from goldieval.families.probe_data import Classified, ProbeData
from goldieval.metrics.accuracy import class_counts
from goldieval.metrics.confidences import CLASSWISE, columns_of
from goldieval.records.parts import Probe
from goldieval.scoring.classwise import classwise_gaps
from goldieval.scoring.lars import Schedule, fit_lars
from goldieval.scoring.logistic import TOLERANCE, Linear, fit
from goldieval.tasks.probe_params import ProbeParams

FEATURES = "image embeddings of unit length, standardised by the mean and deviation of the images fitted on"
SOLVER = (
    "logistic regression, L2 on the weights, L-BFGS in float64 until the gradient is "
    f"{TOLERANCE:g} of the penalty, no augmentation"
)
HELD_OUT_BY = "of each class the images whose ids hash lowest"
TOLERATED_LOSS = 1e-3  # difference of held-out loss in nats within which the stronger penalty is preferred
PATIENCE = 2  # number of consecutive penalties worse than the best, after which no weaker one is tried
PROBABILITIES = "softmax of the classifier's logits"


def logistic(data: ProbeData, params: ProbeParams) -> Classified:
    """Choose the penalty on held-out training images, fit the final classifier, and test it."""
    labels = data.labels.cpu().numpy()
    held = data.train[held_out([data.ids[row] for row in data.train], labels[data.train], params.heldout)]
    rest = np.setdiff1d(data.train, held)
    model, probe, warnings = choose(data.features, data.labels, data.classes, rest, held, params)
    return _tested(data, model, probe, warnings)


def lars(data: ProbeData, params: ProbeParams) -> Classified:
    """Fit a classifier by MAE's recipe, without its augmentation, and test it."""
    schedule = Schedule(params.epochs, params.warmup, params.batch, params.learning_rate)
    model = fit_lars(data.features[data.train], data.labels[data.train], data.classes, schedule)
    probe = Probe(
        method="lars",
        features="image embeddings of unit length, batch normalisation without weights",
        solver="LARS in float32 with cosine schedule, no weight decay, no augmentation: MAE's recipe on fixed features",
        train=len(data.train),
        steps=model.steps,
        settings=vars(schedule),
    )
    return _tested(data, model, probe, [])


def _tested(data: ProbeData, model: Linear, probe: Probe, warnings: list[str]) -> Classified:
    scores = model.scores(data.features[data.tested])
    true = data.labels[data.tested].to(scores.device)
    counts = class_counts(scores, true, factor=1.0)
    gaps = classwise_gaps(scores, true, data.classes, 1.0).astype(np.float32)
    columns = columns_of(counts.probability) | {CLASSWISE: gaps}
    return Classified(counts, probe, warnings, columns, PROBABILITIES)


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
