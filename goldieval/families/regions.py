"""Naming boxes: every box becomes a vector, which is compared with class names or with candidate texts of its own.

A box is a query, and the boxes of a picture are a cluster. No box is left out: the number of queries is that of the
boxes in the readable pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from PIL import Image

from goldieval.core.units import one_thread
from goldieval.data.image_source import open_planned
from goldieval.data.samples import Dataset
from goldieval.families.aggregates import measure, strata_columns, ties_of
from goldieval.families.answers import answer_columns, strata_lists
from goldieval.families.base import Family, Scored, TaskRun, params_of
from goldieval.families.classes import rows_of
from goldieval.families.object_column import object_column
from goldieval.families.region_candidates import Candidates, OwnTexts, SharedClasses
from goldieval.families.region_counts import Counts, region_counts
from goldieval.families.region_prepared import RegionsPrepared, prepared_regions
from goldieval.families.region_sheet import DrawnBox, region_sheet, sheet_name
from goldieval.families.region_vectors import check_way, way_of
from goldieval.metrics.answers import NOBODY, Answers
from goldieval.metrics.query_values import Columns
from goldieval.metrics.ranks import Ranks
from goldieval.models.adapter import Model
from goldieval.models.inputs import Batching
from goldieval.scoring.mode import region_parts
from goldieval.tasks.card import Task
from goldieval.tasks.region_params import RegionsParams


@dataclass(frozen=True)
class RegionsEvidence:
    """What was measured of the boxes of a task.

    Attributes:
        counts: How the true candidate of each box compares with the others, see ``region_counts``.
        drawn: The first pictures by their index, as many as the run draws.
    """

    counts: Counts
    drawn: Mapping[int, Image.Image] = field(default_factory=dict)


class Regions(Family[RegionsPrepared, RegionsEvidence]):
    """Accuracy of the best-scoring candidate of each box."""

    draws_pictures = True

    def prepare(self, task: Task, dataset: Dataset) -> RegionsPrepared:
        """Check the boxes, and list the texts. Raises TaskError if something is missing or does not match."""
        return prepared_regions(task, params_of(task, RegionsParams), dataset)

    def check_model(self, model: Model, mode: str) -> None:
        check_way(region_parts(mode)[0], model)

    def encodes_images(self, mode: str) -> bool:
        return False

    def divides(self, mode: str) -> bool:
        return True

    def divided_units(self, prepared: RegionsPrepared, batching: Batching) -> tuple[int, str]:
        crops = prepared.params.region == "crop"
        count, what = (len(prepared.boxes), "boxes") if crops else (len(prepared.dataset.images), "images")
        return -(-count // batching.images), f"batches of at most {batching.images:,} {what}"

    def collect(self, run: TaskRun[RegionsPrepared]) -> RegionsEvidence:
        """Compare every box of the readable pictures with its candidates.

        Raises:
            TaskError: Too many pictures are unreadable, one is not that of its boxes, or the output of the model is
                invalid.
        """
        check_way(run.prepared.params.region, run.model)
        device = str(getattr(run.model, "device", "cpu"))
        way = way_of(run.prepared.params, run.model, device)
        counts = region_counts(run, way, _candidates(run, device))
        return RegionsEvidence(counts, _pictures(run) if run.group.rank == 0 else {})

    def score(self, prepared: RegionsPrepared, evidence: RegionsEvidence) -> Scored:
        """Compute accuracies from the ranks of the true candidates."""
        boxes, dataset, counts = prepared.boxes, prepared.dataset, evidence.counts
        assert counts["box"].shape == (len(boxes),), "a box without a result"
        empty, shown = counts["empty"], prepared.shown_candidates
        above, place = (np.where(empty, shown - 1, counts[name]) for name in ("above", "place"))
        one = np.ones(len(boxes), dtype=np.int64)
        ranks = Ranks(above, np.where(empty, 0, counts["tied"]), one, one, int(shown.max()))
        ties, warnings = ties_of([ranks], [1])
        outcomes = {
            "direction": np.full(len(boxes), "i2c" if prepared.class_names else "i2t", dtype=object),
            "sample_id": np.array(boxes.ids, dtype=object),
            "cluster_id": _of_images([image.id for image in dataset.images], boxes.image),
            **({"label": boxes.labels} if boxes.labels is not None else {}),
            "prediction": counts["prediction"],
            "place": place,
            "rank_low": ranks.low,
            "rank_high": ranks.high,
            "image": _of_images([image.path for image in dataset.images], boxes.image),
            "box": object_column(boxes.corners.tolist()),
            **_answers(prepared, counts),
            **strata_lists(dataset),
        }
        context = {"cluster": boxes.image, "chance": 1 / shown, "candidates": shown}
        context |= strata_columns(dataset, prepared.params.strata)
        metrics = measure(prepared.task, outcomes, context, {"classes": int(shown.max())})
        pictures = {
            sheet_name(row, dataset.images[row].id): region_sheet(picture, _drawn(prepared, outcomes, row))
            for row, picture in evidence.drawn.items()
        }
        return Scored(metrics, outcomes, ties, [*_about_empty(empty), *warnings], pictures=pictures)


FAMILY = Regions()


def _candidates(run: TaskRun[RegionsPrepared], device: str) -> Candidates:
    """Return what boxes are compared with."""
    prepared, pool = run.prepared, getattr(run.model, "pool", None)
    texts = torch.as_tensor(run.text_embeddings()).to(device)
    reading = region_parts(run.mode)[2] or "projection"
    with one_thread():
        if prepared.candidates is not None:
            return OwnTexts(texts, prepared.candidates, reading, pool)
        assert prepared.boxes.labels is not None
        return SharedClasses(texts, rows_of(prepared.filled, prepared.texts), prepared.boxes.labels, reading, pool)


def _pictures(run: TaskRun[RegionsPrepared]) -> dict[int, Image.Image]:
    """Return the first pictures of the task, as many as the run draws."""
    keys = run.keys[: run.pictures_to_draw]
    return {row: open_planned(run.sources[key], key) for row, key in enumerate(keys)}


def _drawn(prepared: RegionsPrepared, outcomes: Columns, image: int) -> list[DrawnBox]:
    """Return the boxes of a picture with their answers."""
    boxes, given = prepared.boxes, outcomes["prediction"].tolist()
    texts = [text.text for text in prepared.dataset.texts]
    shown = []
    for box in np.flatnonzero(boxes.image == image).tolist():
        own = boxes.candidates[box].tolist() if boxes.candidates is not None else []
        options = prepared.class_names or [texts[row] for row in own]
        taken = "" if given[box] == NOBODY else options[given[box]]
        is_right = outcomes["place"][box] == 0
        shown.append(DrawnBox(prepared.boxes.corners[box].tolist(), str(outcomes["text"][box]), taken, is_right))
    return shown


def _answers(prepared: RegionsPrepared, evidence: Counts) -> dict[str, np.ndarray]:
    """Return the column ``text``, the true name or text of each box, and the best right and wrong answers."""
    boxes, rows = prepared.boxes, np.arange(len(prepared.boxes))
    found = Answers(rows, evidence["right_score"], evidence["wrong"], evidence["wrong_score"])
    if boxes.labels is not None:
        ids, names = [str(number) for number in range(len(prepared.class_names))], prepared.class_names
        wrong = np.where(evidence["place"] > 0, evidence["prediction"], found.wrong)
        found = replace(found, right=boxes.labels, wrong=wrong)
    else:
        assert boxes.candidates is not None
        names = ids = [text.text for text in prepared.dataset.texts]
        wrong = np.where(found.wrong == NOBODY, NOBODY, boxes.candidates[rows, found.wrong])
        found = replace(found, right=boxes.candidates[:, 0], wrong=wrong)
    true = np.array([names[row] for row in found.right.tolist()], dtype=object)
    return {"text": true, **answer_columns(found, ids, names)}


def _of_images(names: Sequence[str], images: np.ndarray) -> np.ndarray:
    return np.array([names[image] for image in images.tolist()], dtype=object)


def _about_empty(empty: np.ndarray) -> list[str]:
    count = int(empty.sum())
    return [f"boxes without area within their picture, counted as wrong: {count:,}"] if count else []
