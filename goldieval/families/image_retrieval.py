"""Image-to-image retrieval: an image should find the others of its class, or those that were judged to be like it.

The gallery is all images but the query itself. Cosines of image embeddings are compared; no text is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset
from goldieval.families.aggregates import measure, ties_of
from goldieval.families.answers import answer_columns
from goldieval.families.base import Family, Prepared, Scored, TaskRun, params_of
from goldieval.families.retrieval_queries import of_all_positives
from goldieval.families.similarity import unit_images
from goldieval.metrics.ranks import Ranks
from goldieval.scoring.cosine import image_ranks
from goldieval.tasks.card import Task
from goldieval.tasks.retrieval_params import ImageRetrievalParams

MOST_PAIRS = 50_000_000  # 800 MB of indices


@dataclass(kw_only=True)
class ImageRetrievalPrepared(Prepared[ImageRetrievalParams]):
    """Images that retrieve each other.

    Attributes:
        alike: pairs (image index, image index), shape (pairs, 2).
    """

    alike: np.ndarray


class ImageRetrieval(Family[ImageRetrievalPrepared, Ranks]):
    """Recall at k, ranks and precision of retrieving images by an image."""

    def prepare(self, task: Task, dataset: Dataset) -> ImageRetrievalPrepared:
        """Check that some images belong together: by pairs, else by their label. Raises TaskError if not."""
        alike = dataset.alike
        if alike is None and dataset.labels is None:
            raise TaskError(
                "image retrieval needs to know which images belong together: name the column of their class or group "
                "as `label` in `source`, or use the reader image-pairs."
            )
        if dataset.train is not None and dataset.train.any():
            raise TaskError("image retrieval has no training images: read one split only.")
        pairs = _same_label(dataset.labels) if alike is None and dataset.labels is not None else alike
        if pairs is None or not len(pairs):
            raise TaskError(f"none of these {len(dataset.images):,} images belongs to another: take more of them.")
        if len(pairs) == len(dataset.images) * (len(dataset.images) - 1):
            raise TaskError("all images belong together: there is nothing to distinguish.")
        return ImageRetrievalPrepared(
            task=task, params=params_of(task, ImageRetrievalParams), dataset=dataset, alike=pairs
        )

    def collect(self, run: TaskRun[ImageRetrievalPrepared]) -> Ranks:
        """Rank all other readable images for each."""
        images = unit_images(run)
        alike = torch.as_tensor(run.prepared.alike).to(images.device)
        return image_ranks(images, alike, bool(of_all_positives(run.prepared.params)))

    def score(self, prepared: ImageRetrievalPrepared, evidence: Ranks) -> Scored:
        """Compute the metrics; queries are the images that have another to find, each a cluster."""
        asked = np.flatnonzero(evidence.positives > 0)
        ranks, images = evidence.of(asked), prepared.dataset.images
        ties, warnings = ties_of([ranks], prepared.params.k)
        ids, paths = [image.id for image in images], [image.path for image in images]
        outcomes = {
            "direction": np.full(len(asked), "i2i", dtype=object),
            "sample_id": np.asarray([ids[row] for row in asked], dtype=object),
            "cluster_id": np.asarray([ids[row] for row in asked], dtype=object),
            "rank_low": ranks.low,
            "rank_high": ranks.high,
            "tied_positives": ranks.tied_positives,
            "positives": ranks.positives,
            "image": np.asarray([paths[row] for row in asked], dtype=object),
            **answer_columns(ranks.answers, ids, paths),
        }
        if ranks.groups is not None:
            outcomes |= {metric.kind: metric.of_groups(ranks.groups) for metric in of_all_positives(prepared.params)}
        context = {"cluster": asked, "gallery": np.full(len(asked), ranks.gallery)}
        return Scored(measure(prepared.task, outcomes, context), outcomes, ties, warnings)


FAMILY = ImageRetrieval()


def _same_label(labels: np.ndarray) -> np.ndarray:
    """Return all pairs of different images of one class, in both orders, shape (pairs, 2).

    Raises:
        TaskError: there are too many.
    """
    sizes = np.bincount(np.unique(labels, return_inverse=True)[1])
    if (count := int((sizes.astype(np.int64) * (sizes - 1)).sum())) > MOST_PAIRS:
        raise TaskError(
            f"{count:,} pairs of images share a class, more than {MOST_PAIRS:,}: take fewer images with --limit."
        )
    parts = []
    for rows in np.split(np.argsort(labels, kind="stable"), np.cumsum(sizes)[:-1]):
        first, second = np.repeat(rows, len(rows)), np.tile(rows, len(rows))
        parts.append(np.stack([first, second], axis=1)[first != second])
    return np.concatenate(parts)
