"""Few-shot probes: a classifier for each of several samples of a few training images per class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import torch

from goldieval.core.meter import tracked
from goldieval.families.probe_data import UNIT, Classified, ProbeData, lowest_hashes
from goldieval.metrics.accuracy import class_counts
from goldieval.records.parts import Probe
from goldieval.scoring.cosine import unit
from goldieval.scoring.ridge import CONSTANT, fit_ridge
from goldieval.tasks.probe_params import ProbeParams

SAMPLES = "per class and seed the images whose sha256 of seed/id is lowest; a smaller sample is part of a larger one"
RIDGE = f"ridge regression in closed form on targets -1 and 1, float64, constant feature {CONSTANT:g} for the bias"
PROTOTYPE = "nearest mean of the unit vectors of a class, by cosine"
Scores = Callable[[np.ndarray], torch.Tensor]


def needed(ids: Sequence[str], labels: np.ndarray, params: ProbeParams) -> np.ndarray:
    """Return the rows of all images that any sample contains; ascending.

    Args:
        ids: ids of the training images.
        labels: class of each, (images,).
        params: numbers of images per class, and of seeds.
    """
    most = max(params.shots)
    return np.unique(np.concatenate([lowest_hashes(ids, labels, most, seed) for seed in range(params.seeds)]))


def few_shot(data: ProbeData, params: ProbeParams) -> Classified:
    """Fit a classifier for each number of images per class and each seed.

    The comparison of classes is that of the first seed of the largest number.
    """
    ids, labels = [data.ids[row] for row in data.train], data.labels[data.train].cpu().numpy()
    scores_of, true = classifier(data, params), data.labels[data.tested]
    columns: dict[str, np.ndarray] = {}
    settings = list(product(sorted(params.shots), reversed(range(params.seeds))))
    for shots, seed in tracked(settings, "fitting few-shot classifiers", len(settings)):
        scores = scores_of(data.train[lowest_hashes(ids, labels, shots, seed)])
        counts = class_counts(scores, true.to(scores.device))
        columns[f"place_{shots}shot_{seed}"] = counts.places.cpu().numpy().astype(np.int32)
    sizes = np.bincount(labels)
    short = int(((sizes > 0) & (sizes < max(params.shots))).sum())
    warnings = [f"{short:,} classes have fewer than {max(params.shots)} training images: all of them are used"]
    ordered = {name: columns[name] for name in sorted(columns, key=_place)}
    return Classified(counts, part(data, params, SAMPLES), warnings if short else [], ordered)


def whole(data: ProbeData, params: ProbeParams) -> Classified:
    """Fit one classifier to the whole train split."""
    scores = classifier(data, params)(data.train)
    counts = class_counts(scores, data.labels[data.tested].to(scores.device))
    return Classified(counts, part(data, params, ""))


def classifier(data: ProbeData, params: ProbeParams) -> Scores:
    """Return a function from training rows to the scores of the tested images, (tested, classes)."""
    tested = data.features[data.tested]

    def ridge(rows: np.ndarray) -> torch.Tensor:
        return fit_ridge(data.features[rows], data.labels[rows], data.classes, params.l2).scores(tested)

    def prototype(rows: np.ndarray) -> torch.Tensor:
        return tested @ prototypes(data.features[rows], data.labels[rows], data.classes).T

    return {"ridge": ridge, "prototype": prototype}[params.method]


def prototypes(features: torch.Tensor, labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Return the mean of the unit vectors of each class, normalised again, (classes, dim); zeros for a class of none.

    Args:
        features: unit vectors, (rows, dim).
        labels: class indices, (rows,).
        classes: number of classes.
    """
    order = labels.argsort(stable=True)
    means = torch.zeros(classes, features.shape[1], device=features.device)
    sizes = torch.bincount(labels.cpu(), minlength=classes)
    present = sizes.nonzero()[:, 0]
    groups = torch.split(features[order], sizes[present].tolist())
    means[present.to(means.device)] = unit(torch.stack([group.mean(0) for group in groups]), "class")
    return means


def part(data: ProbeData, params: ProbeParams, samples: str) -> Probe:
    """Return how the classifiers were fitted, for the record."""
    ridge = params.method == "ridge"
    settings: dict[str, Any] = {"l2": params.l2} if ridge else {}
    if params.shots:
        settings |= {"shots": sorted(params.shots), "seeds": params.seeds, "samples": samples}
    features = f"{UNIT}, standardised by the mean and deviation of the images fitted on" if ridge else UNIT
    return Probe(
        method=params.method,
        features=features,
        solver=RIDGE if ridge else PROTOTYPE,
        train=len(data.train),
        settings=settings,
    )


def _place(name: str) -> tuple[int, ...]:
    """Return shots and seed of the name of a column."""
    shots, seed = name.removeprefix("place_").split("shot_")
    return int(shots), int(seed)
