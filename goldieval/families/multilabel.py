"""Zero-shot classification of images that may show several classes: each class ranks all images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset
from goldieval.families.aggregates import measure
from goldieval.families.base import Prepared, Scored, params_of
from goldieval.families.classes import check_order, distinct_texts, rows_of
from goldieval.families.object_column import object_column
from goldieval.families.similarity import SimilarityFamily
from goldieval.records.parts import Ties
from goldieval.scoring.similarity import Similarity
from goldieval.tasks.card import Task
from goldieval.tasks.multilabel_params import MultilabelParams
from goldieval.tasks.prompts import CLASS_NAMES, check_prompts, digest, fill, resolve, resolve_prompts


@dataclass(kw_only=True)
class MultilabelPrepared(Prepared[MultilabelParams]):
    """Images with the classes that they show, and every class name in every prompt.

    Attributes:
        shown: whether an image shows a class, shape (images, classes).
        class_names: name of each class.
        filled: every prompt with the name of every class, shape (classes, prompts).
    """

    shown: np.ndarray
    class_names: list[str]
    filled: list[list[str]]

    @property
    def class_labels(self) -> list[str]:
        return self.class_names


class Multilabel(SimilarityFamily[MultilabelPrepared, torch.Tensor]):
    """Mean average precision over classes of the images ranked by their similarity to the prompts of the class."""

    def prepare(self, task: Task, dataset: Dataset) -> MultilabelPrepared:
        """Insert every class name into every prompt. Raises TaskError if labels or names are missing or differ."""
        params = params_of(task, MultilabelParams)
        if dataset.shown is None:
            raise TaskError("the data do not say which classes each image shows: set `multilabel: true` in `source`.")
        if not dataset.shown.any():
            raise TaskError(f"none of these {len(dataset.images):,} images shows a class: there is nothing to rank.")
        prompts = resolve_prompts(task, params.prompts, dataset.prompts)
        names = dataset.class_names if params.class_names is None else resolve(task, params.class_names, CLASS_NAMES)
        if not names or len(names) != dataset.shown.shape[1]:
            raise TaskError(f"{len(names or ()):,} class names for {dataset.shown.shape[1]:,} classes in the data.")
        check_order(names, dataset.class_names)
        check_prompts(prompts)
        filled = [fill(prompts, name) for name in names]
        return MultilabelPrepared(
            task=task,
            params=params,
            dataset=dataset,
            texts=distinct_texts(text for texts in filled for text in texts),
            details={"prompts_sha256": digest(prompts), "class_names_sha256": digest(names)},
            shown=dataset.shown,
            class_names=names,
            filled=filled,
        )

    def compare(self, prepared: MultilabelPrepared, similarity: Similarity) -> torch.Tensor:
        """Return the score of every image for the prompt ensemble of every class, shape (images, classes)."""
        images, classes = prepared.shown.shape
        of_classes = similarity.of_classes(rows_of(prepared.filled, prepared.texts))
        image, name = torch.arange(images).repeat_interleave(classes), torch.arange(classes).repeat(images)
        return of_classes.pairs(image, name).view(images, classes)

    def score(self, prepared: MultilabelPrepared, evidence: torch.Tensor) -> Scored:
        """Compute the mean over classes; the outcomes hold every score."""
        images = prepared.dataset.images
        ids = np.asarray([image.id for image in images], dtype=object)
        names = [[prepared.class_names[each] for each in np.flatnonzero(row)] for row in prepared.shown]
        outcomes = {
            "direction": np.full(len(images), "i2c", dtype=object),
            "sample_id": ids,
            "cluster_id": ids,
            "scores": object_column(evidence.cpu().tolist()),
            "shown": object_column(prepared.shown.astype(np.int64).tolist()),
            "image": np.asarray([image.path for image in images], dtype=object),
            "text": np.asarray([", ".join(row) for row in names], dtype=object),
        }
        return Scored(measure(prepared.task, outcomes), outcomes, Ties())


FAMILY = Multilabel()
