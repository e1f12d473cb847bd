"""Zero-shot classification with prompt ensembles: the embeddings of prompts are normalised, averaged and normalised.

Accuracy is that of arg-max and top-k, as it is usually reported; near-ties and their largest effect are counted apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset, check_labels
from goldieval.families.aggregates import ties_of
from goldieval.families.approximation import Direction, approximations, loss_warnings
from goldieval.families.base import Prepared, Scored, params_of
from goldieval.families.calibration import calibration_of_cosines
from goldieval.families.classes import check_order, class_metrics, class_outcomes, distinct_texts, rows_of
from goldieval.families.corrupted import corrupted, corruption_columns
from goldieval.families.groups import bias_warnings, check_groups, group_column
from goldieval.families.similarity import SimilarityFamily
from goldieval.metrics.accuracy import ClassRanks
from goldieval.scoring.audit import Audit
from goldieval.scoring.similarity import Similarity
from goldieval.tasks.card import Task
from goldieval.tasks.params import ZeroshotParams
from goldieval.tasks.prompts import CLASS_NAMES, check_prompts, digest, fill, resolve, resolve_prompts


@dataclass(kw_only=True)
class ZeroshotPrepared(Prepared[ZeroshotParams]):
    """Labelled images, and every class name in every prompt.

    Attributes:
        labels: class index of each image, shape (images,).
        class_names: name of each class.
        filled: every prompt with the name of every class, shape (classes, prompts).
    """

    labels: np.ndarray
    class_names: list[str]
    filled: list[list[str]]

    @property
    def class_labels(self) -> list[str]:
        return self.class_names


@dataclass(frozen=True)
class ZeroshotEvidence:
    """Ranks of the true classes.

    Attributes:
        found: rank of the true class and predicted class of each image.
        audits: losses of a shortlist by direction; empty if the ranks are exact.
        probabilities: columns about the probability of each image's classes; empty if they are not known.
        factor: factor of the scores that makes them probabilities; None if it is not known.
    """

    found: ClassRanks
    audits: Mapping[str, Audit]
    probabilities: Mapping[str, np.ndarray]
    factor: float | None


class Zeroshot(SimilarityFamily[ZeroshotPrepared, ZeroshotEvidence]):
    """Accuracy of the class whose prompts are most similar to the image."""

    def prepare(self, task: Task, dataset: Dataset) -> ZeroshotPrepared:
        """Insert every class name into every prompt. Raises TaskError if labels or names are missing or differ."""
        params = params_of(task, ZeroshotParams)
        if dataset.labels is None:
            raise TaskError("classification needs labels, but the data have none: name the label column in `source`.")
        prompts = resolve_prompts(task, params.prompts, dataset.prompts)
        names = _names(task, dataset)
        if not names:
            raise TaskError("no class names: give params.class_names, or source.classes with one name per line.")
        if len(names) > 1 and len(set(names)) == 1:
            raise TaskError(f"all {len(names):,} class names are {names[0]!r}: there is nothing to distinguish.")
        check_groups(dataset, params.groups)
        check_order(names, dataset.class_names)
        check_labels(dataset.labels.tolist(), names, [image.id for image in dataset.images])
        check_prompts(prompts)
        filled = [fill(prompts, name) for name in names]
        return ZeroshotPrepared(
            task=task,
            params=params,
            dataset=dataset,
            texts=distinct_texts(text for texts in filled for text in texts),
            details={"prompts_sha256": digest(prompts), "class_names_sha256": digest(names)},
            labels=dataset.labels,
            class_names=names,
            filled=filled,
        )

    def enlarged(self, task: Task, dataset: Dataset) -> Dataset:
        """Return the corrupted copies of the pictures, if the card has corruptions."""
        return corrupted(dataset, params_of(task, ZeroshotParams), _names(task, dataset) or [])

    def compare(self, prepared: ZeroshotPrepared, similarity: Similarity) -> ZeroshotEvidence:
        """Compare every image with the prompt ensemble of every class."""
        found = similarity.classes(rows_of(prepared.filled, prepared.texts), torch.as_tensor(prepared.labels))
        return ZeroshotEvidence(found, similarity.audits, similarity.probabilities, similarity.factor)

    def score(self, prepared: ZeroshotPrepared, evidence: ZeroshotEvidence) -> Scored:
        """Compute accuracies from the ranks of the true classes."""
        labels, names, dataset = prepared.labels, prepared.class_names, prepared.dataset
        ranks, predictions, places = evidence.found
        cuts = [1, 5] if len(names) > 5 else [1]
        ties, warnings = ties_of([ranks], cuts)
        images = np.arange(len(dataset.images))
        losses = approximations(evidence.audits, {"i2c": Direction({f"acc{k}": k for k in cuts}, images)})
        outcomes = class_outcomes(dataset.images, labels, names, ranks, predictions, places) | dict(
            evidence.probabilities
        )
        outcomes |= group_column(dataset, prepared.params.groups) | corruption_columns(dataset.images)
        metrics = class_metrics(prepared.task, outcomes, len(names))
        calibration = calibration_of_cosines(outcomes, evidence.factor)
        warnings = [*loss_warnings(losses), *warnings, *bias_warnings(prepared.task.card.headline, outcomes)]
        return Scored(metrics, outcomes, ties, warnings, losses, calibration=calibration)


FAMILY = Zeroshot()


def _names(task: Task, dataset: Dataset) -> list[str] | None:
    """Return the class names of the card, else those of the data, if there are any."""
    given = params_of(task, ZeroshotParams).class_names
    return dataset.class_names if given is None else resolve(task, given, CLASS_NAMES)
