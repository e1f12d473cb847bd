"""Zero-shot classification with prompt ensembles: each prompt's embedding normalised, averaged, normalised again.

A hit is what arg-max and top-k say, as everyone reports it; near-ties are counted beside it, with what they are worth.
"""

from __future__ import annotations

import re

import numpy as np
import torch

from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset, TextSample, check_labels
from goldieval.families.approximation import Direction, approximations, told
from goldieval.families.base import Prepared, Scored, metric, ties_of
from goldieval.metrics.intervals import mean_per_class, share
from goldieval.records.parts import MeasuredMetric
from goldieval.scoring.similarity import Similarity
from goldieval.tasks.card import Task
from goldieval.tasks.params import ZeroshotParams
from goldieval.tasks.prompts import CLASS_NAMES, PROMPTS, digest, fill, resolve

SUMMARY = ("acc1", "acc5", "mean_per_class_recall")


def prepare(task: Task, dataset: Dataset) -> Prepared:
    """Fill every class name into every prompt. Raises TaskError where labels or names are missing or do not match."""
    params = task.card.params
    assert isinstance(params, ZeroshotParams)
    if dataset.labels is None:
        raise TaskError("classification needs labels, but the data have none: name the label column in `source`.")
    prompts = resolve(task, params.prompts, PROMPTS)
    given = params.class_names
    names = dataset.class_names if given is None else resolve(task, given, CLASS_NAMES)
    if not names:
        raise TaskError("no class names: give params.class_names, or source.classes with one name a line.")
    if len(names) > 1 and len(set(names)) == 1:
        raise TaskError(f"all {len(names):,} class names are {names[0]!r}: there is nothing to tell apart.")
    _same_order(names, dataset.class_names)
    check_labels(dataset.labels.tolist(), names, [image.id for image in dataset.images])
    bare = [prompt for prompt in prompts if "{c}" not in prompt]
    if bare:
        raise TaskError(f"prompt {bare[0]!r} has no {{c}} where the class name goes.")
    filled = [text for name in names for text in fill(prompts, name)]
    texts = [TextSample(text, text) for text in dict.fromkeys(filled)]
    details = {"prompts_sha256": digest(prompts), "class_names_sha256": digest(names)}
    return Prepared(task, dataset, texts, details, extra=(names, filled, len(prompts)))


def score(prepared: Prepared, similarity: Similarity) -> Scored:
    """Compare every image with every class vector."""
    names, filled, per_class = prepared.extra
    dataset, card = prepared.dataset, prepared.task.card
    assert dataset.labels is not None
    row_of = {text.id: row for row, text in enumerate(prepared.texts)}
    rows = torch.tensor([row_of[text] for text in filled]).view(len(names), per_class)
    ranks, predictions, places = similarity.classes(rows, torch.as_tensor(dataset.labels))
    count = len(names)
    metrics: dict[str, MeasuredMetric] = {"acc1": metric(share(places < 1), 1 / count, card.ceiling)}
    if count > 5:
        metrics["acc5"] = metric(share(places < 5), 5 / count, card.ceiling)
    metrics["mean_per_class_recall"] = metric(mean_per_class(places < 1, dataset.labels), 1 / count, card.ceiling)
    cuts = [1, 5] if count > 5 else [1]
    ties, warnings = ties_of([ranks], cuts)
    images = np.arange(len(dataset.images))
    lost = approximations(similarity.audits, {"i2c": Direction({f"acc{k}": k for k in cuts}, images)})
    outcomes = {
        "direction": np.full(len(dataset.images), "i2c", dtype=object),
        "sample_id": np.asarray([image.id for image in dataset.images], dtype=object),
        "cluster_id": np.asarray([image.id for image in dataset.images], dtype=object),
        "label": dataset.labels,
        "prediction": predictions,
        "place": places,
        "rank_low": ranks.low,
        "rank_high": ranks.high,
        "image": np.asarray([image.path for image in dataset.images], dtype=object),
        "text": np.asarray([names[label] for label in dataset.labels], dtype=object),
    }
    return Scored(metrics, outcomes, ties, [*told(lost), *warnings], lost)


def _same_order(names: list[str], in_data: list[str] | None) -> None:
    """Refuse prompts in another class order than the labels: accuracy would drop to chance without a word."""
    if in_data is None or len(in_data) == 0:
        return
    ours, theirs = [_plain(name) for name in names], [_plain(name) for name in in_data]
    if len(ours) != len(theirs):
        raise TaskError(f"{len(names):,} class names for {len(in_data):,} classes in the data.")
    if ours != theirs and sorted(ours) == sorted(theirs):
        first = next(row for row, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
        raise TaskError(
            f"class names are in another order than the labels: class {first} is {in_data[first]!r} in the data "
            f"but {names[first]!r} among the prompts' names."
        )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
