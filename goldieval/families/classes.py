"""What the families that predict a class share: texts of classes, metrics and outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from goldieval.data.samples import ImageSample, TextSample
from goldieval.families.aggregates import metric
from goldieval.metrics.intervals import mean_per_class, share
from goldieval.metrics.ranks import Ranks
from goldieval.records.parts import MeasuredMetric


def distinct_texts(texts: Iterable[str]) -> list[TextSample]:
    """Return each text once, in the order of its first occurrence; its id is the text itself."""
    return [TextSample(text, text) for text in dict.fromkeys(texts)]


def rows_of(filled: Sequence[Sequence[str]], texts: Sequence[TextSample]) -> torch.Tensor:
    """Return the index among ``texts`` of every prompt of every name, shape (names, prompts)."""
    row_of = {text.id: row for row, text in enumerate(texts)}
    return torch.tensor([[row_of[text] for text in prompts] for prompts in filled])


def class_metrics(
    places: np.ndarray, labels: np.ndarray, classes: int, ceiling: float | None
) -> dict[str, MeasuredMetric]:
    """Return top-1 and top-5 accuracy (of more than five classes) and the mean recall over classes.

    Args:
        places: place of the true class in the model's order, 0 for the first, shape (images,).
        labels: true class, shape (images,).
        classes: number of classes.
        ceiling: the best possible score, if it is known.
    """
    found = {"acc1": metric(share(places < 1), 1 / classes, ceiling)}
    if classes > 5:
        found["acc5"] = metric(share(places < 5), 5 / classes, ceiling)
    found["mean_per_class_recall"] = metric(mean_per_class(places < 1, labels), 1 / classes, ceiling)
    return found


def class_outcomes(
    images: Sequence[ImageSample],
    labels: np.ndarray,
    names: Sequence[str],
    ranks: Ranks,
    predictions: np.ndarray,
    places: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return the columns of the outcomes, one row for each image."""
    ids = np.asarray([image.id for image in images], dtype=object)
    return {
        "direction": np.full(len(ids), "i2c", dtype=object),
        "sample_id": ids,
        "cluster_id": ids,
        "label": labels,
        "prediction": predictions,
        "place": places,
        "rank_low": ranks.low,
        "rank_high": ranks.high,
        "image": np.asarray([image.path for image in images], dtype=object),
        "text": np.asarray([names[label] for label in labels], dtype=object),
    }
