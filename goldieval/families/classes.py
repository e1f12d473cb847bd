"""Helpers of the families that predict a class: texts of classes, metrics and outcomes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch

from goldieval.core.errors import TaskError
from goldieval.data.samples import ImageSample, TextSample
from goldieval.families.aggregates import measure
from goldieval.families.answers import answer_columns
from goldieval.families.corrupted import clusters_of
from goldieval.metrics.query_values import Columns
from goldieval.metrics.ranks import Ranks
from goldieval.records.parts import MeasuredMetric
from goldieval.tasks.card import Task


def distinct_texts(texts: Iterable[str]) -> list[TextSample]:
    """Return each text once, in the order of its first occurrence; its id is the text itself."""
    return [TextSample(text, text) for text in dict.fromkeys(texts)]


def rows_of(filled: Sequence[Sequence[str]], texts: Sequence[TextSample]) -> torch.Tensor:
    """Return the index in ``texts`` of every prompt of every name, shape (names, prompts)."""
    row_of = {text.id: row for row, text in enumerate(texts)}
    return torch.tensor([[row_of[text] for text in prompts] for prompts in filled])


def class_metrics(task: Task, outcomes: Columns, classes: int) -> dict[str, MeasuredMetric]:
    """Return the metrics of outcomes in which every image is a query; corrupted copies of one are a cluster."""
    context = {"cluster": clusters_of(outcomes), "classes": np.full(len(outcomes["sample_id"]), classes)}
    return measure(task, outcomes, context, {"classes": classes})


def class_outcomes(
    images: Sequence[ImageSample],
    labels: np.ndarray,
    names: Sequence[str],
    ranks: Ranks,
    predictions: np.ndarray,
    places: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return the columns of the outcomes, one row per image.

    Args:
        images: the images.
        labels: true class of each image, shape (images,).
        names: names of the classes.
        ranks: rank of the true class of each image.
        predictions: predicted class of each image, shape (images,).
        places: position of the true class in the ranking of the model, shape (images,).
    """
    answers = ranks.answers
    if answers is not None:  # where the true class is not the prediction, the prediction is the wrong answer to show
        answers = replace(answers, wrong=np.where(places > 0, predictions, answers.wrong))
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
        **answer_columns(answers, [str(number) for number in range(len(names))], names),
    }


def check_order(names: list[str], in_data: list[str] | None) -> None:
    """Raise TaskError for class names in another order than the labels, with which accuracy would be that of chance."""
    if in_data is None or len(in_data) == 0:
        return
    given, expected = [_plain(name) for name in names], [_plain(name) for name in in_data]
    if len(given) != len(expected):
        raise TaskError(f"{len(names):,} class names for {len(in_data):,} classes in the data.")
    if given != expected and sorted(given) == sorted(expected):
        first = next(row for row, (a, b) in enumerate(zip(given, expected, strict=True)) if a != b)
        raise TaskError(
            f"class names are in another order than the labels: class {first} is {in_data[first]!r} in the data "
            f"but {names[first]!r} among the prompts' names."
        )


def _plain(name: str) -> str:
    """Return a name in lower case without punctuation and spaces."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
