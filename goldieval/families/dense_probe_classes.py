"""Classes as the target of a dense probe: cross-entropy of every labelled pixel, and mean intersection over union."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from goldieval.core.containment import contained
from goldieval.core.errors import TaskError, listing
from goldieval.data.masks import IGNORED, MaskSource
from goldieval.data.samples import Dataset
from goldieval.data.small_maps import encode_map
from goldieval.families.aggregates import measure
from goldieval.families.base import Scored
from goldieval.families.dense_probe_target import DenseEvidence
from goldieval.families.mmseg_parts import areas
from goldieval.families.segmentation_classes import segmentation_classes
from goldieval.families.segmentation_outcomes import area_columns, class_scores
from goldieval.families.side_by_side import side_by_side
from goldieval.metrics import miou
from goldieval.records.parts import Ties
from goldieval.scoring.pixel_loss import pixel_cross_entropy
from goldieval.scoring.segments import Decision, segment
from goldieval.scoring.windows import SlidingLogits
from goldieval.tasks.card import Task
from goldieval.tasks.dense_probe_params import DenseProbeParams


@dataclass
class ClassTarget:
    """A class for every pixel; ``families.dense_probe_target.Target`` documents the interface.

    Attributes:
        task: the task.
        names: name of the picture of each mask, for errors.
        masks: mask of each picture.
        labels: label of each class.
        settings: the loss.
        heldout_score: mean IoU.
    """

    task: Task
    names: list[str]
    masks: list[MaskSource]
    labels: list[str]
    settings: dict[str, object] = field(default_factory=lambda: {"loss": "cross-entropy of labelled pixels"})
    heldout_score: str = "mIoU"

    @property
    def outputs(self) -> int:
        return len(self.labels)

    def truth(self, row: int) -> np.ndarray:
        with contained(f"reading the mask of {self.names[row]}"):
            return self.masks[row].read()

    def content(self, truth: np.ndarray) -> np.ndarray:
        return np.bincount(truth[truth != IGNORED], minlength=self.outputs)

    def check_train(self, content: np.ndarray) -> None:
        present = np.flatnonzero(content)
        if not len(present):
            raise TaskError("no pixel of the training images has a label: every one is ignored.")
        if len(present) == 1:
            only = self.labels[present[0]]
            raise TaskError(f"every labelled pixel of the training images is {only!r}: there is nothing to learn.")

    def check_tested(self, content: np.ndarray) -> None:
        if not content.any():
            raise TaskError("no pixel of the test images has a label: every one is ignored.")

    def loss(self, logits: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return pixel_cross_entropy(logits, truth.long(), IGNORED)

    def maps(self, logits: torch.Tensor) -> torch.Tensor:
        return logits

    def decided(self, averaged: SlidingLogits) -> torch.Tensor:
        owner = torch.arange(self.outputs, device=averaged.patches.device)
        return segment(averaged, Decision(owner, self.outputs))

    def counted(self, predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
        return areas(torch.from_numpy(predicted), torch.from_numpy(truth), self.outputs)

    def heldout(self, counts: np.ndarray) -> float:
        total = counts.sum(axis=0).astype(float)
        return float(miou.mean_iou(total[miou.INTERSECTION], total[miou.UNION]))

    def small(self, predicted: np.ndarray) -> bytes:
        return encode_map(predicted)

    def scored(self, ids: Sequence[str], paths: Sequence[str], evidence: DenseEvidence) -> Scored:
        totals = evidence.counts.sum(axis=0)
        labelled = totals[0, miou.LABELLED]
        names = np.asarray(ids, dtype=object)
        outcomes = {
            "direction": np.full(len(names), "segmentation", dtype=object),
            "sample_id": names,
            "cluster_id": names,
            "image": np.asarray(paths, dtype=object),
            "predicted_map": np.array(evidence.small, dtype=object),
        }
        for seed in range(evidence.counts.shape[1]):
            outcomes |= area_columns(evidence.counts[:, seed], f"_{seed}" if seed else "")
        return Scored(
            measure(self.task, outcomes),
            outcomes,
            Ties(),
            [*evidence.warnings, *self._never_seen(evidence.train_content, labelled)],
            probe=evidence.probe,
            classes=class_scores(self.labels, totals),
            pixels={
                "all": evidence.pixels,
                "ignored": evidence.pixels - int(labelled.sum()),
                "classes_present": int((labelled > 0).sum()),
            },
            pictures={picture.name: side_by_side(picture, self.labels) for picture in evidence.drawn},
        )

    def _never_seen(self, train: np.ndarray, tested: np.ndarray) -> list[str]:
        """Return a line about classes of the test images that no training image shows."""
        unseen = [label for label, seen, count in zip(self.labels, train, tested, strict=True) if count and not seen]
        if not unseen:
            return []
        return [f"no training image shows {len(unseen):,} of the classes of the test images: {listing(unseen)}"]


def class_target(task: Task, params: DenseProbeParams, dataset: Dataset) -> ClassTarget:
    """Return the target of a task whose pictures have masks. Raises TaskError if masks or names are missing."""
    if dataset.masks is None:
        raise TaskError("a dense probe of classes needs masks, but the data have none: use reader masks or coco-masks.")
    labels = segmentation_classes(task, params, dataset.class_names).labels
    if len(labels) < 2:
        raise TaskError("a dense probe needs two classes, but the data have one.")
    return ClassTarget(task, [image.shown_name for image in dataset.images], dataset.masks, labels)
