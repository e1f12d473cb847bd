"""Boxes with everything that they may be called, checked before any work with a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.data.boxes import Boxes, is_empty
from goldieval.data.samples import Dataset, check_labels
from goldieval.families.aggregates import check_strata
from goldieval.families.base import Prepared
from goldieval.families.classes import distinct_texts
from goldieval.tasks.card import Task
from goldieval.tasks.prompts import CLASS_NAMES, PROMPTS, check_prompts, digest, fill, resolve
from goldieval.tasks.region_params import RegionsParams


@dataclass(kw_only=True)
class RegionsPrepared(Prepared[RegionsParams]):
    """Boxes in pictures, each with a class or with candidate texts.

    Attributes:
        boxes: The boxes.
        class_names: Names of the classes; empty if boxes have candidates of their own.
        filled: Every prompt with the name of every class, shape (classes, prompts).
        candidates: Index in ``texts`` of each candidate of each box, filled up with -1, shape (boxes, most); None if
            boxes have classes.
    """

    boxes: Boxes
    class_names: list[str]
    filled: list[list[str]]
    candidates: np.ndarray | None

    @property
    def class_labels(self) -> list[str] | None:
        return self.class_names or None

    @property
    def shown_candidates(self) -> np.ndarray:
        """Number of candidates of each box, shape (boxes,)."""
        return (
            self.boxes.shown_candidates if self.class_names == [] else np.full(len(self.boxes), len(self.class_names))
        )

    def without_area(self, boxes: np.ndarray) -> str:
        """Return the error line for boxes, given as indices, that have no area in their pictures."""
        named = listing([f"{self.boxes.ids[box]} in {self._picture(box)}" for box in boxes.tolist()])
        advice = "Remove them, or count them as wrong answers with --set degenerate=wrong."
        return f"boxes without area within their picture: {len(boxes):,} ({named}). {advice}"

    def _picture(self, box: int) -> str:
        return self.dataset.images[int(self.boxes.image[box])].shown_name


def prepared_regions(task: Task, params: RegionsParams, dataset: Dataset) -> RegionsPrepared:
    """Check the boxes of a task, and list the texts that they are compared with.

    Raises:
        TaskError: There are no boxes, what they may be called is missing or does not match, or a box has no area and
            the card does not count those as wrong.
    """
    if dataset.boxes is None:
        raise TaskError("regions needs boxes, but the data have none: use reader boxes or coco-boxes.")
    check_strata(dataset, params.strata)
    names, prompts = _names(task, params, dataset, dataset.boxes), _prompts(task, params)
    filled = [_written(params, fill(prompts, name)) for name in names]
    own = _written(params, [text.text for text in dataset.texts]) if not names else []
    texts = distinct_texts([*own, *(text for each in filled for text in each)])
    row_of = {text.id: row for row, text in enumerate(texts)}
    details = {"settings": params.model_dump(mode="json", exclude={"prompts", "class_names"})}
    pinned = {"prompts_sha256": digest(prompts), "class_names_sha256": digest(names)} if names else {}
    prepared = RegionsPrepared(
        task=task,
        params=params,
        dataset=dataset,
        texts=texts,
        details=details | pinned,
        boxes=dataset.boxes,
        class_names=names,
        filled=filled,
        candidates=_renumbered(dataset.boxes, [row_of[text] for text in own]) if not names else None,
    )
    empty = np.flatnonzero(is_empty(dataset.boxes.clipped()))
    if len(empty) and params.degenerate == "refuse":
        raise TaskError(prepared.without_area(empty))
    return prepared


def _names(task: Task, params: RegionsParams, dataset: Dataset, boxes: Boxes) -> list[str]:
    """Return the names of the classes; empty if boxes have candidates of their own."""
    if params.prompts is None and boxes.candidates is None:
        raise TaskError('the boxes have classes: give params.prompts, for example ["a photo of a {c}."].')
    if params.prompts is None:
        return []
    if boxes.labels is None:
        raise TaskError(
            "the boxes have candidate texts of their own, to which params.prompts do not apply: remove them."
        )
    in_data = dataset.class_names or []
    names = in_data if params.class_names is None else resolve(task, params.class_names, CLASS_NAMES)
    if in_data and len(names) != len(in_data):
        raise TaskError(f"{len(names):,} class names for {len(in_data):,} classes in the data.")
    check_labels(boxes.labels.tolist(), names, boxes.ids)
    return names


def _prompts(task: Task, params: RegionsParams) -> list[str]:
    if params.prompts is None:
        return []
    prompts = resolve(task, params.prompts, PROMPTS)
    check_prompts(prompts)
    return prompts


def _written(params: RegionsParams, texts: Iterable[str]) -> list[str]:
    return [text.lower() if params.lower_case else text for text in texts]


def _renumbered(boxes: Boxes, rows: Sequence[int]) -> np.ndarray:
    """Return the candidates of boxes as indices of other texts, given for each text of the data."""
    assert boxes.candidates is not None
    found: np.ndarray = np.append(np.array(rows, dtype=np.int64), -1)[boxes.candidates]
    return found
