"""Predictions of trained heads for whole pictures, by sliding windows whose outputs are averaged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from goldieval.core.containment import contained
from goldieval.core.group import share
from goldieval.core.threads import map_ahead
from goldieval.core.transfers import upload
from goldieval.families.dense_probe_features import Features, Run
from goldieval.families.dense_probe_head import Head
from goldieval.families.dense_probe_windows import Resized, checked_truth, read_picture
from goldieval.families.finished import Parts
from goldieval.families.shared_work import model_units
from goldieval.families.side_by_side import DrawnPicture
from goldieval.scoring.windows import placed

Predict = Callable[[int, Resized], list[np.ndarray]]  # index of a picture, and the picture


@dataclass(frozen=True)
class Predicted:
    """What is kept of one picture.

    Attributes:
        counts: what ``Target.counted`` returns, for each head, shape (heads, ...).
        pixels: number of pixels of its truth.
        small: predicted map of the first head, reduced, as PNG.
        drawn: the picture with truth and prediction of the first head, if it is drawn.
    """

    counts: np.ndarray
    pixels: int
    small: bytes
    drawn: DrawnPicture | None = None

    def part(self) -> dict[str, np.ndarray]:
        """Return what is kept of it until the record is written."""
        small = np.frombuffer(self.small, dtype=np.uint8)
        return {"counts": self.counts, "pixels": np.array([self.pixels]), "small": small}


def by_heads(features: Features, heads: Sequence[Head]) -> Predict:
    """Return a function that predicts a picture with each of several heads, whose features are computed once."""
    prepared = features.run.prepared
    params, target = prepared.params, prepared.target

    def predict(row: int, picture: Resized) -> list[np.ndarray]:
        windows = torch.from_numpy(features.of_picture(row, picture))
        found = []
        for head in heads:
            seen = upload(windows, head.weight.device).float()
            maps = torch.cat([target.maps(head.logits(each[None])) for each in seen])
            averaged = placed(maps, picture.size, picture.original, params.crop, params.stride)
            found.append(target.decided(averaged).cpu().numpy())
        return found

    return predict


def predicted(
    run: Run, rows: Sequence[int], predict: Predict, phase: tuple[str, str], parts: Parts, draws: int
) -> list[Predicted]:
    """Predict pictures, of which every rank takes a share, and count what their scores need.

    Args:
        run: the task.
        rows: indices of the pictures.
        predict: returns the predictions of a picture, one per head.
        phase: name of the phase in the record's ``seconds``, and what is done.
        parts: finished parts by index of the picture, and where new ones are kept.
        draws: number of pictures that are returned with their predictions.

    Returns:
        One result for each of ``rows``, in their order, on every rank.
    """
    prepared = run.prepared
    images, target = prepared.dataset.images, prepared.target
    mine = [row for _, row in share(rows, run.group)]
    drawn = set(rows[:draws])
    found = {row: _of_part(part) for row in mine if row not in drawn and (part := parts.get(row)) is not None}

    def read(row: int) -> tuple[Resized, np.ndarray]:
        with contained(f"reading {images[row].shown_name} again"):
            picture = read_picture(images[row], prepared.params)
        return picture, checked_truth(target, row, images[row].id, picture.original)

    def count(ahead: tuple[int, tuple[Resized, np.ndarray]]) -> Predicted:
        row, (picture, truth) = ahead
        with contained(f"predicting {images[row].shown_name}"):
            maps = predict(row, picture)
            counts = np.stack([target.counted(each, truth) for each in maps])
        picked = DrawnPicture(images[row].id, row, picture.picture, truth, maps[0]) if row in drawn else None
        return Predicted(counts, truth.size, target.small(maps[0]), picked)

    with run.working(*phase, len(mine)) as meter:
        meter.advance(len(found))
        missing = [row for row in mine if row not in found]
        for (row, _), result in model_units(run, count, map_ahead(read, missing, run.batching.workers)):
            found[row] = result
            parts.add(row, result.part())
            meter.advance(1)
    everywhere = {row: result for part in run.group.all_gather(found) for row, result in part.items()}
    return [everywhere[row] for row in rows]


def _of_part(part: Mapping[str, np.ndarray]) -> Predicted:
    return Predicted(part["counts"], int(part["pixels"][0]), part["small"].tobytes())
