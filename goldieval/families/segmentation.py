"""Open-vocabulary segmentation without training: every pixel gets the class whose name is most similar to its patches.

The ground truth is never resized. Intersections and unions are summed over all pictures, and recorded for each one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from goldieval.core.errors import NotApplicableError, TaskError
from goldieval.data.samples import Dataset
from goldieval.families.aggregates import measure
from goldieval.families.base import Family, Scored, TaskRun, params_of
from goldieval.families.classes import distinct_texts
from goldieval.families.segmentation_classes import SegmentationPrepared, segmentation_classes
from goldieval.families.segmentation_maps import gathered, predicted_maps
from goldieval.families.segmentation_outcomes import area_columns, class_scores
from goldieval.families.segmentation_predictor import predictor
from goldieval.families.shared_work import leave_out_failed
from goldieval.families.side_by_side import DrawnPicture, side_by_side
from goldieval.metrics import miou
from goldieval.models.adapter import Dense, Model
from goldieval.models.inputs import Batching
from goldieval.records.parts import Ties
from goldieval.tasks.card import Task
from goldieval.tasks.params import SegmentationParams
from goldieval.tasks.prompts import PROMPTS, check_prompts, digest, fill, resolve

NO_PATCHES = "this model gives no patch features: its adapter has no dense(pixels, attention)."


@dataclass
class SegmentationEvidence:
    """Counts over the predicted maps of a task.

    Attributes:
        areas: areas of each picture, see ``metrics.miou``, shape (images, 4, classes).
        pixels: number of pixels of all masks, including those without a label.
        small: predicted map of each picture, reduced, as PNG.
        drawn: the first pictures with truth and prediction, as many as the run draws.
    """

    areas: np.ndarray
    pixels: int
    small: list[bytes] = field(default_factory=list)
    drawn: list[DrawnPicture] = field(default_factory=list)


class Segmentation(Family[SegmentationPrepared, SegmentationEvidence]):
    """Mean intersection over union of predicted maps."""

    draws_pictures = True

    def prepare(self, task: Task, dataset: Dataset) -> SegmentationPrepared:
        """Insert every name of every class into every prompt. Raises TaskError if masks or names are missing."""
        params = params_of(task, SegmentationParams)
        if dataset.masks is None:
            raise TaskError("segmentation needs masks, but the data have none: use reader masks or coco-masks.")
        prompts = resolve(task, params.prompts, PROMPTS)
        classes = segmentation_classes(task, params, dataset.class_names)
        check_prompts(prompts)
        filled = [fill(prompts, name) for name in classes.names]
        details = {
            "prompts_sha256": digest(prompts),
            "class_names_sha256": digest([*classes.labels, *classes.lines]),
            "settings": params.model_dump(mode="json", exclude={"prompts"}),
        }
        return SegmentationPrepared(
            task=task,
            params=params,
            dataset=dataset,
            texts=distinct_texts(text for texts in filled for text in texts),
            details=details,
            masks=dataset.masks,
            classes=classes,
            filled=filled,
        )

    def check_model(self, model: Model, mode: str) -> None:
        if not isinstance(model, Dense):
            raise NotApplicableError(NO_PATCHES)

    def encodes_images(self, mode: str) -> bool:
        return False

    def divides(self, mode: str) -> bool:
        return True

    def divided_units(self, prepared: SegmentationPrepared, batching: Batching) -> tuple[int, str]:
        return len(prepared.dataset.images), "pictures"

    def collect(self, run: TaskRun[SegmentationPrepared]) -> SegmentationEvidence:
        """Predict a map of every readable picture, and count areas.

        Raises:
            TaskError: too many pictures are unreadable, a mask has another size than its picture, or the output of the
                model is invalid.
        """
        assert isinstance(run.model, Dense), NO_PATCHES
        device = str(getattr(run.model, "device", "cpu"))
        texts = torch.as_tensor(run.text_embeddings()).to(device)
        predict = predictor(run.prepared, run.mode, texts, run.model, run.batching.images)
        maps = predicted_maps(run, run.model, predict, device)
        leave_out_failed(run, maps.failed)
        maps = gathered(maps, run)
        ids = [image.id for image in run.prepared.dataset.images if image.id in maps.areas]  # all of them on rank 0
        pixels = sum(maps.pixels[id] for id in ids)
        areas = np.array([maps.areas[id] for id in ids])
        return SegmentationEvidence(areas, pixels, [maps.small[id] for id in ids], maps.drawn)

    def score(self, prepared: SegmentationPrepared, evidence: SegmentationEvidence) -> Scored:
        """Compute means over classes and pixel accuracy from the areas."""
        images, classes = prepared.dataset.images, prepared.classes
        total = evidence.areas.sum(axis=0)
        labelled = total[miou.LABELLED]
        if not labelled.any():
            raise TaskError("no pixel has a label: every one is ignored.")
        ids = np.asarray([image.id for image in images], dtype=object)
        outcomes = {
            "direction": np.full(len(images), "segmentation", dtype=object),
            "sample_id": ids,
            "cluster_id": ids,
            **area_columns(evidence.areas),
            "image": np.asarray([image.path for image in images], dtype=object),
        }
        if evidence.small:
            outcomes["predicted_map"] = np.array(evidence.small, dtype=object)
        return Scored(
            measure(prepared.task, outcomes),
            outcomes,
            Ties(),
            [],
            classes=class_scores(classes.labels, total[None]),
            pixels={
                "all": evidence.pixels,
                "ignored": evidence.pixels - int(labelled.sum()),
                "classes_present": int((labelled > 0).sum()),
            },
            pictures={picture.name: side_by_side(picture, classes.labels) for picture in evidence.drawn},
        )


FAMILY = Segmentation()
