"""How the true candidate of every box compares with the others: units of pictures, computed by one rank each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from goldieval.core.containment import contained
from goldieval.core.errors import TaskError
from goldieval.core.group import share
from goldieval.core.threads import map_ahead
from goldieval.data.image_source import open_planned
from goldieval.families.base import TaskRun
from goldieval.families.region_candidates import Candidates
from goldieval.families.region_inputs import RegionInputs
from goldieval.families.region_prepared import RegionsPrepared
from goldieval.families.region_units import Boxed
from goldieval.families.region_vectors import Way
from goldieval.families.shared_work import leave_out_failed, model_units
from goldieval.metrics.accuracy import class_counts
from goldieval.metrics.answers import NOBODY

TILE = 4096  # boxes whose scores are in memory at a time
INTEGERS = ("above", "tied", "place", "prediction", "wrong")
SCORES = ("right_score", "wrong_score")
Counts = dict[str, np.ndarray]  # ``box`` (its index), INTEGERS, SCORES and ``empty``, one entry per box each


class ReadUnit(NamedTuple):
    """A unit of work whose pictures were read.

    Attributes:
        number: Number of the unit.
        pictures: Its pictures with their boxes.
        inputs: Their inputs, or why there are none.
    """

    number: int
    pictures: list[Boxed]
    inputs: list[RegionInputs | OSError]

    @property
    def usable(self) -> list[tuple[Boxed, RegionInputs]]:
        """The pictures that could be read."""
        pairs = zip(self.pictures, self.inputs, strict=True)
        return [(boxed, inputs) for boxed, inputs in pairs if not isinstance(inputs, OSError)]


def region_counts(run: TaskRun[RegionsPrepared], way: Way, candidates: Candidates) -> Counts:
    """Compare the true candidate of every box of the readable pictures with the others.

    Args:
        run: The task; unreadable pictures are left out of it.
        way: How boxes become vectors.
        candidates: What they are compared with.

    Returns:
        On rank 0 the counts of all boxes of ``run.prepared``, in their order; on other ranks those that it computed.

    Raises:
        TaskError: Too many pictures are unreadable, one has another size than its boxes, or the output of the model is
            invalid.
    """
    prepared, keys = run.prepared, list(run.keys)
    planned = way.units(prepared.boxes, [row for row, key in enumerate(keys) if key], run.batching.images)
    mine = dict(share(planned, run.group))
    found = {number: part for number in mine if (part := run.parts.get(number)) is not None}
    missing = [(number, unit) for number, unit in mine.items() if number not in found]
    failed: dict[str, str] = {}

    def read(boxed: Boxed) -> RegionInputs | OSError:
        return _read(run, way, boxed, keys[boxed.image])

    def count(unit: ReadUnit) -> Counts:
        return _counted(way, candidates, unit)

    with run.working("regions", "encoding boxes", sum(_size(unit) for unit in mine.values())) as meter:
        meter.advance(sum(_size(mine[number]) for number in found))
        ahead = map_ahead(read, [boxed for _, unit in missing for boxed in unit], run.batching.workers)
        for unit, counts in model_units(run, count, _units(missing, (inputs for _, inputs in ahead))):
            found[unit.number] = counts
            errors = [error for error in unit.inputs if isinstance(error, OSError)]
            if not errors:
                run.parts.add(unit.number, counts)
            failed |= {
                keys[boxed.image]: str(inputs)
                for boxed, inputs in zip(unit.pictures, unit.inputs, strict=True)
                if isinstance(inputs, OSError)
            }
            meter.advance(_size(unit.pictures))
    leave_out_failed(run, failed)
    everywhere = run.group.gather(found) or [found]
    parts = {number: part for rank in everywhere for number, part in rank.items()}
    return _in_order([parts[number] for number in sorted(parts)], prepared.boxes.ids, run.prepared.boxes.ids)


def _units(units: Sequence[tuple[int, list[Boxed]]], inputs: Iterator[RegionInputs | OSError]) -> Iterator[ReadUnit]:
    for number, pictures in units:
        yield ReadUnit(number, pictures, [next(inputs) for _ in pictures])


def _size(unit: Sequence[Boxed]) -> int:
    return sum(len(boxed.boxes) for boxed in unit)


def _read(run: TaskRun[RegionsPrepared], way: Way, boxed: Boxed, key: str) -> RegionInputs | OSError:
    """Return the inputs of a picture, or why it cannot be read. Raises TaskError if it is not the boxes' picture."""
    prepared = run.prepared
    image, stated = prepared.dataset.images[boxed.image], tuple(prepared.boxes.sizes[boxed.image].tolist())
    try:
        picture = open_planned(run.sources[key], key)
    except OSError as error:
        return error
    if all(stated) and picture.size != stated:
        sizes = f"{picture.width:,} x {picture.height:,} pixels, its boxes are for {stated[0]:,} x {stated[1]:,}"
        raise TaskError(f"{image.shown_name} is {sizes}: use the original pictures.")
    with contained(f"reading the boxes of {image.shown_name}"):
        inputs = way.inputs(picture, prepared.boxes.corners[boxed.boxes])
    if inputs.empty.any() and prepared.params.degenerate == "refuse":
        raise TaskError(prepared.without_area(boxed.boxes[inputs.empty]))
    return inputs


def _counted(way: Way, candidates: Candidates, unit: ReadUnit) -> Counts:
    """Return the counts of the boxes of a unit; the host waits once."""
    usable = unit.usable
    if not usable:
        return _nothing(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool))
    boxes = np.concatenate([boxed.boxes for boxed, _ in usable])
    empty = np.concatenate([inputs.empty for _, inputs in usable])
    counts = _nothing(boxes, empty)
    if empty.all():
        return counts
    vectors = way.vectors([inputs for _, inputs in usable if not inputs.empty.all()]).float()
    tiles = [slice(first, first + TILE) for first in range(0, len(vectors), TILE)]
    measured = [_tile(candidates, vectors[tile], boxes[~empty][tile]) for tile in tiles]
    numbers = torch.cat([integers for integers, _ in measured], dim=1).cpu().numpy()
    scores = torch.cat([floats for _, floats in measured], dim=1).cpu().numpy()
    if bad := int((~np.isfinite(scores[0])).sum()):
        raise TaskError(
            f"the vectors of {bad:,} of {scores.shape[1]:,} boxes hold NaN or infinite values, or are zero."
        )
    for name, column in (*zip(INTEGERS, numbers, strict=True), *zip(SCORES, scores, strict=True)):
        counts[name][~empty] = column
    return counts


def _tile(candidates: Candidates, vectors: torch.Tensor, boxes: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Return INTEGERS and SCORES of some boxes; the right score of a vector that is not sound is NaN."""
    scores, labels = candidates.scores(vectors, boxes)
    counts = class_counts(scores, labels)
    sound = torch.isfinite(vectors).all(1) & vectors.any(1)
    right = torch.where(sound, counts.true_score, torch.nan)
    integers = torch.stack([counts.above, counts.tied, counts.places, counts.predictions, counts.wrong])
    return integers, torch.stack([right, counts.wrong_score])


def _nothing(boxes: np.ndarray, empty: np.ndarray) -> Counts:
    """Return counts of boxes of which nothing is known."""
    integers = {name: np.full(len(boxes), NOBODY, dtype=np.int64) for name in INTEGERS}
    scores = {name: np.full(len(boxes), np.nan, dtype=np.float32) for name in SCORES}
    return {"box": boxes.astype(np.int64), "empty": empty, **integers, **scores}


def _in_order(parts: Sequence[Counts], ids: Sequence[str], wanted: Sequence[str]) -> Counts:
    """Return counts as one, in another order.

    Args:
        parts: Counts, whose ``box`` is an index into ``ids``.
        ids: Ids of the boxes as they were planned.
        wanted: Ids of the boxes that are left, in their order.
    """
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
    place = {ids[box]: row for row, box in enumerate(joined.get("box", np.zeros(0)).tolist())}
    rows = np.array([place[id] for id in wanted if id in place], dtype=np.int64)
    return {name: column[rows] for name, column in joined.items()}
