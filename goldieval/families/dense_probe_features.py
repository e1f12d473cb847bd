"""Patch features of windows: encoded one window at a time, rounded to float16, and kept in the store under its limit.

A window's features are the same whether they are read or computed again: a window is always a batch of its own, which
one thread encodes on a CPU. What the limit leaves no room for is therefore recomputed wherever it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from goldieval.core.containment import contained
from goldieval.core.errors import TaskError
from goldieval.core.group import share
from goldieval.core.threads import map_ahead
from goldieval.core.transfers import upload
from goldieval.families.base import TaskRun
from goldieval.families.dense_probe_prepared import DenseProbePrepared
from goldieval.families.dense_probe_windows import Resized, Window, read_picture, window_pixels
from goldieval.families.kept import KeptArrays
from goldieval.families.mmseg_parts import resizing
from goldieval.families.shared_work import model_units
from goldieval.models.adapter import Dense
from goldieval.scoring.windows import corners

NO_ROOM = (
    "not all patch features of the training images fit into the store: the others are computed again in every epoch, "
    "with the same results. $GOLDIEVAL_STORE_GB sets its size."
)
Run = TaskRun[DenseProbePrepared]
DESCRIPTIONS = {
    "projected": "patch features in the space of the texts, frozen, float16",
    "tokens": "patch tokens before the projection, frozen, float16",
}
OF_MODEL: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "projected": lambda model, pixels: model.dense(pixels, "plain"),
    "tokens": lambda model, pixels: model.patch_features(pixels),
}
NO_PATCHES = "this model gives no patch features: its adapter has no dense(pixels, attention)."
NO_TOKENS = (
    "this model gives no patch tokens before the projection: its adapter has no patch_features(pixels). "
    "Use --set features=projected."
)


@dataclass
class Features:
    """The patch features of the windows of a task.

    Attributes:
        run: the task and the model.
        kept: those on disk.
    """

    run: Run
    kept: KeptArrays

    def encoded(self, picture: Resized, number: int) -> np.ndarray:
        """Return the features of one window, computed by the model, float16, shape (rows, columns, dim).

        Raises:
            TaskError: they have a wrong shape, or values that are not finite or too large for float16.
        """
        params, model = self.run.prepared.params, self.run.model
        assert isinstance(model, Dense), NO_PATCHES
        device = str(getattr(model, "device", "cpu"))
        pixels = upload(window_pixels(model, picture, params, number), device)
        return _checked(OF_MODEL[params.features](model, pixels))

    def of_picture(self, row: int, picture: Resized) -> np.ndarray:
        """Return the features of all windows of a picture, read from disk or computed.

        Args:
            row: index of the picture in the dataset.
            picture: the picture.

        Returns:
            Shape (windows, rows, columns, dim).
        """
        params, key = self.run.prepared.params, self.run.keys[row]
        count = len(corners(*picture.size, params.crop, params.stride))
        found = [self.kept.row(key, number) for number in range(count)] if self.kept.has(key) else [None] * count
        return np.stack([self.encoded(picture, number) if kept is None else kept for number, kept in enumerate(found)])

    def of_windows(self, windows: Sequence[Window]) -> Iterator[tuple[Window, np.ndarray]]:
        """Yield windows with their features, in order: read ahead from disk, or computed."""
        prepared, keys = self.run.prepared, self.run.keys

        def read(window: Window) -> np.ndarray | Resized:
            kept = self.kept.row(keys[window.row], window.number)
            if kept is not None:
                return kept
            image = prepared.dataset.images[window.row]
            with contained(f"reading {image.shown_name} again"):
                return read_picture(image, prepared.params)

        def features(ahead: tuple[Window, np.ndarray | Resized]) -> np.ndarray:
            window, found = ahead
            if isinstance(found, np.ndarray):
                return found
            with contained(f"encoding {prepared.dataset.images[window.row].shown_name}"):
                return self.encoded(found, window.number)

        for (window, _), found in model_units(self.run, features, map_ahead(read, windows, self.run.batching.workers)):
            yield window, found

    def prepare(self, rows: Sequence[int]) -> None:
        """Compute and keep the features of this rank's share of pictures, as far as the limit allows."""
        run, prepared, keys = self.run, self.run.prepared, self.run.keys
        distinct = list({keys[row]: row for row in reversed(rows)}.values())[::-1]
        mine = [row for _, row in share(distinct, run.group)]

        def read(row: int) -> Resized:
            with contained(f"reading {prepared.dataset.images[row].shown_name} again"):
                return read_picture(prepared.dataset.images[row], prepared.params)

        def encode(ahead: tuple[int, Resized]) -> np.ndarray:
            row, picture = ahead
            with contained(f"encoding {prepared.dataset.images[row].shown_name}"):
                return self.of_picture(row, picture)

        def is_kept(row: int) -> bool:
            return self.kept.has(keys[row])

        with run.working("features", "computing patch features of training images", len(mine)) as meter:
            missing = []
            for row, there in map_ahead(is_kept, mine, run.batching.workers):
                missing += [] if there else [row]
                meter.advance(1 if there else 0)
            for (row, _), found in model_units(run, encode, map_ahead(read, missing, run.batching.workers)):
                if not self.kept.add(keys[row], found):
                    run.note(NO_ROOM)
                    break
                meter.advance(1)


def features_of(run: Run) -> Features:
    """Return the features of a task, of which those are kept that the store has room for."""
    params = run.prepared.params
    sizes = {name: getattr(params, name) for name in ("features", "short_side", "long_side", "crop", "stride")}
    return Features(run, run.kept({"dense probe": 1, **sizes, "resizing": resizing()}))


def _checked(features: object) -> np.ndarray:
    """Return the features of one window as float16. Raises TaskError if they cannot be used."""
    if not isinstance(features, torch.Tensor):
        raise TaskError(f"patch features are {type(features).__name__}, but must be a tensor of torch.")
    if features.ndim != 4 or len(features) != 1 or 0 in features.shape:
        raise TaskError(f"patch features have shape {tuple(features.shape)} instead of (1, rows, columns, dim).")
    found: np.ndarray = features[0].float().half().cpu().numpy()
    if not np.isfinite(found).all():
        finite = bool(torch.isfinite(features).all())
        raise TaskError(
            "patch features exceed the range of float16 (65,504)." if finite else "patch features are NaN or infinite."
        )
    return found
