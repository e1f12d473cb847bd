"""What the methods of a probe have in common: their data, and what a fitted classifier gives."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from goldieval.metrics.accuracy import ClassCounts
from goldieval.records.parts import Probe

UNIT = "image embeddings of unit length"


@dataclass(frozen=True)
class ProbeData:
    """Images to fit on and images to test.

    Attributes:
        features: unit vectors of all images, (images, dim).
        labels: class index of each image, on the device of the features, (images,).
        classes: number of classes.
        ids: id of each image.
        train: indices of the images of the train split.
        tested: indices of the images of the test split.
    """

    features: torch.Tensor
    labels: torch.Tensor
    classes: int
    ids: Sequence[str]
    train: np.ndarray
    tested: np.ndarray


@dataclass(frozen=True)
class Classified:
    """What a classifier, or several, says of the images of the test split.

    Attributes:
        counts: how the true class of each compares with the others.
        probe: how it was fitted.
        warnings: what a reader of the numbers must know.
        columns: further columns of the outcomes.
        probabilities: what the probabilities are, if there are columns of them.
    """

    counts: ClassCounts
    probe: Probe
    warnings: list[str] = field(default_factory=list)
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    probabilities: str = ""


def lowest_hashes(ids: Sequence[str], labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the rows of ``count`` images of each class, those whose hash with the seed is lowest; ascending.

    The sample depends on ids alone, not on their order, and the one of fewer images is part of the one of more. A class
    with fewer images gives all of them.

    Args:
        ids: image ids.
        labels: class of each image, (images,).
        count: number of images of each class.
        seed: number of the sample.
    """
    keys = np.array([hashlib.sha256(f"{seed}/{id}".encode()).digest()[:8] for id in ids], dtype="S8")
    order = np.lexsort((keys, labels))
    _, starts, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    places = np.arange(len(order)) - np.repeat(starts, sizes)
    return np.sort(order[places < count])
