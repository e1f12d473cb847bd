"""Open-vocabulary segmentation without training: every pixel gets the class whose name its patches are most like.

The ground truth is never resized. Intersections and unions are summed over the set, and kept for each picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from goldieval.core.errors import TaskError, listing
from goldieval.data.mask_files import LabelledSource
from goldieval.data.samples import Dataset, TextSample
from goldieval.families.base import Prepared, Scored, metric
from goldieval.families.mmseg_parts import Colour, Definition, colours, definition
from goldieval.families.side_by_side import Shown, drawn
from goldieval.metrics import miou
from goldieval.records.parts import ClassScore, MeasuredMetric, Ties
from goldieval.scoring.conditioned import Pool
from goldieval.scoring.cosine import unit
from goldieval.scoring.mode import dense_parts
from goldieval.scoring.patches import reader
from goldieval.scoring.segments import Decision, segment
from goldieval.scoring.similarity import ensemble
from goldieval.scoring.windows import slide
from goldieval.tasks.card import Task
from goldieval.tasks.params import SegmentationParams
from goldieval.tasks.prompts import CLASS_NAMES, PROMPTS, digest, fill, resolve

SUMMARY = ("miou", "macc", "aacc")
AREAS = ("intersection", "union", "predicted", "labelled")  # as metrics.miou orders them


class Spoken(NamedTuple):
    """What the classes are called. labels: one a class.   filled: texts, name by name, ``prompts`` of each name.

    owner: class of each name.
    """

    labels: list[str]
    filled: list[str]
    prompts: int
    owner: list[int]
    palette: list[Colour]


@dataclass
class Segmented:
    """What the model made of a task's pictures. areas: (images, 4, classes), see ``metrics.miou``.

    pixels: of all masks, with those that have no label.
    """

    areas: np.ndarray
    pixels: int
    shown: list[Shown] = field(default_factory=list)


def prepare(task: Task, dataset: Dataset) -> Prepared:
    """Fill every name of every class into every prompt. Raises TaskError where masks or names lack or do not match."""
    params, source = task.card.params, task.card.source
    assert isinstance(params, SegmentationParams)
    if dataset.masks is None:
        raise TaskError("segmentation needs masks, but the data have none: use reader masks or coco-masks.")
    defined = definition(params.definition) if params.definition else None
    if defined is not None and isinstance(source, LabelledSource) and not source.values:
        defined = defined.for_labels(source.reduce_zero_label)
    prompts = resolve(task, params.prompts, PROMPTS)
    given = None if params.class_names is None else resolve(task, params.class_names, CLASS_NAMES)
    labels, names = _names(dataset.class_names, defined, given)
    spoken = [(number, name) for number, line in enumerate(names) for name in _spelled(line)[1]]
    bare = [prompt for prompt in prompts if "{c}" not in prompt]
    if bare:
        raise TaskError(f"prompt {bare[0]!r} has no {{c}} where the class name goes.")
    filled = [text for _, name in spoken for text in fill(prompts, name)]
    texts = [TextSample(text, text) for text in dict.fromkeys(filled)]
    details = {
        "prompts_sha256": digest(prompts),
        "class_names_sha256": digest([*labels, *names]),
        "settings": params.model_dump(mode="json", exclude={"prompts"}),
    }
    palette = colours(len(labels), defined.palette if defined else ())
    owner = [number for number, _ in spoken]
    return Prepared(task, dataset, texts, details, Spoken(labels, filled, len(prompts), owner, palette))


def predictor(
    prepared: Prepared,
    mode: str,
    texts: torch.Tensor,
    dense: Callable[[torch.Tensor, str], torch.Tensor],
    pool: Pool | None,
    batch: int,
) -> Callable[[torch.Tensor, tuple[int, int]], torch.Tensor]:
    """Return the function from a resized picture, ready for the tower, and the original's size to classes by pixel.

    Args:
        mode: attention and reading, see ``scoring.mode.dense_mode``.   texts: embeddings of the task's texts,
            (texts, dim), not normalised.   dense, pool: the model's, see ``adapter.Dense``.   batch: windows at a
            time; memory does not depend on the picture beyond that.

    Raises:
        TaskError: useless embeddings, or a reading that the model does not have.
    """
    params, spoken = prepared.task.card.params, prepared.extra
    assert isinstance(params, SegmentationParams)
    attention, reading = dense_parts(mode)
    units = _name_vectors(prepared, texts)
    read = reader(reading, units, texts.float().norm(dim=-1).mean() * units, pool)
    owner = torch.tensor(spoken.owner, device=units.device)
    thresholds = params.probability_threshold, params.area_threshold
    decision = Decision(owner, len(spoken.labels), params.scale, *thresholds)

    def encode(windows: torch.Tensor) -> torch.Tensor:
        return read(_checked(dense(windows, attention), units))

    def predict(pixels: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        return segment(slide(pixels, encode, size, params.crop, params.stride, batch), decision)

    return predict


def score(prepared: Prepared, evidence: Segmented) -> Scored:
    """Turn areas into means over classes and shares of pixels."""
    spoken, dataset, ceiling = prepared.extra, prepared.dataset, prepared.task.card.ceiling
    total = evidence.areas.sum(axis=0)
    labelled = total[miou.LABELLED]
    if not labelled.any():
        raise TaskError("no pixel has a label: every one is ignored.")
    chance = miou.blind(labelled)
    metrics: dict[str, MeasuredMetric] = {
        name: metric(found, chance[name], ceiling if name == prepared.task.card.headline else None)
        for name, found in miou.scores(evidence.areas).items()
    }
    count = len(dataset.images)
    ids = np.asarray([image.id for image in dataset.images], dtype=object)
    outcomes = {
        "direction": np.full(count, "segmentation", dtype=object),
        "sample_id": ids,
        "cluster_id": ids,
        **{
            name: _lists(evidence.areas[:, row])
            for row, name in enumerate(("intersection", "union", "predicted", "labelled"))
        },
        "image": np.asarray([image.path for image in dataset.images], dtype=object),
    }
    return Scored(
        metrics,
        outcomes,
        Ties(),
        [],
        classes=_by_class(spoken.labels, total),
        pixels={
            "all": evidence.pixels,
            "ignored": evidence.pixels - int(labelled.sum()),
            "classes_present": int((labelled > 0).sum()),
        },
        pictures={shown.name: drawn(shown, spoken.labels, spoken.palette) for shown in evidence.shown},
    )


def _names(
    in_data: list[str] | None, defined: Definition | None, given: list[str] | None
) -> tuple[list[str], list[str]]:
    """Return the label of each class and what texts call it. Raises TaskError where the lists differ in length."""
    lists = {
        "the data": in_data,
        f"mmsegmentation's {defined.name}" if defined else "": list(defined.classes) if defined else None,
        "params.class_names": given,
    }
    there = {where: names for where, names in lists.items() if names}
    if not there:
        raise TaskError("no class names: give params.class_names, params.definition, or source.classes.")
    lengths = [f"{len(names):,} in {where}" for where, names in there.items()]
    if len({len(names) for names in there.values()}) > 1:
        raise TaskError(f"class names and labels are of different length: {', '.join(lengths)}.")
    labels = next(iter(there.values()))
    if labels is given:
        labels = [_spelled(line)[0] for line in labels]
    doubled = [label for number, label in enumerate(labels) if label in labels[:number]]
    if doubled:  # records tell classes by their label
        raise TaskError(f"two classes of one name: {listing(doubled)}.")
    return labels, given or labels


def _spelled(line: str) -> tuple[str, list[str]]:
    """Return the label and the names of ``label: name, name``; without a label the first name is it."""
    label, _, spoken = line.rpartition(":")
    names = [name.strip() for name in spoken.split(",") if name.strip()]
    if not names:
        raise TaskError(f"class name {line!r} says nothing.")
    return label.strip() or names[0], names


def _name_vectors(prepared: Prepared, texts: torch.Tensor) -> torch.Tensor:
    """Return a unit vector for each name, the mean of its prompts' unit vectors."""
    spoken = prepared.extra
    row_of = {text.id: row for row, text in enumerate(prepared.texts)}
    rows = torch.tensor([row_of[text] for text in spoken.filled]).view(-1, spoken.prompts)
    return ensemble(unit(texts, "text"), rows)


def _checked(features: torch.Tensor, units: torch.Tensor) -> torch.Tensor:
    """Raise TaskError for features that cannot be compared with the texts."""
    if features.ndim != 4 or features.shape[-1] != units.shape[-1]:
        raise TaskError(
            f"dense() gave features of shape {tuple(features.shape)} instead of "
            f"(windows, rows, columns, {units.shape[-1]})."
        )
    if not bool(torch.isfinite(features).all()):
        raise TaskError("dense() gave NaN or infinite features.")
    return features


def _lists(areas: np.ndarray) -> np.ndarray:
    """One list of integers a row, for a column of lists."""
    column = np.empty(len(areas), dtype=object)
    column[:] = areas.tolist()
    return column


def _by_class(labels: Sequence[str], total: np.ndarray) -> dict[str, ClassScore]:
    iou, accuracy = miou.per_class(total)
    return {
        label: ClassScore(
            iou=None if np.isnan(iou[row]) else float(iou[row]),
            accuracy=None if np.isnan(accuracy[row]) else float(accuracy[row]),
            pixels=int(total[miou.LABELLED, row]),
        )
        for row, label in enumerate(labels)
    }
