"""Depth as the target of a dense probe: a head that scores bins of depth, and the errors of the depths they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from goldieval.core.containment import contained
from goldieval.core.errors import TaskError, listing
from goldieval.data.depth import DepthSource
from goldieval.data.samples import Dataset
from goldieval.families.aggregates import measure
from goldieval.families.base import Scored
from goldieval.families.dense_probe_target import DenseEvidence
from goldieval.families.depth_sheet import depth_sheet
from goldieval.families.object_column import object_column
from goldieval.metrics.depth import ERRORS, depth_errors, evaluated
from goldieval.records.parts import Ties
from goldieval.scoring.depth_bins import depth_of_bins, gradient_loss, resized, sigma_loss
from goldieval.scoring.windows import SlidingLogits
from goldieval.tasks.card import Task
from goldieval.tasks.dense_probe_params import DenseProbeParams, DepthParams

PIXELS, DEPTH, SQUARE = range(3)  # evaluated pixels of a picture, and the means of true depth and of its square
FIRST_ERROR = 3  # then the errors, in the order of ``ERRORS``


@dataclass
class DepthTarget:
    """Metres of every pixel; ``families.dense_probe_target.Target`` documents the interface.

    A truth is 0 where the depth is unknown, out of range or outside the crop: those pixels are neither trained on nor
    scored.

    Attributes:
        task: the task.
        names: name of the picture of each map, for errors.
        depths: depth map of each picture.
        params: range, crop, head and loss.
        settings: the loss.
        heldout_score: the root mean square error in metres, with a minus sign, as higher is better.
        labels: None: depth has no classes.
    """

    task: Task
    names: list[str]
    depths: list[DepthSource]
    params: DepthParams
    settings: dict[str, object]
    heldout_score: str = "minus RMSE in metres"
    labels: list[str] | None = None

    @property
    def outputs(self) -> int:
        return self.params.bins

    def truth(self, row: int) -> np.ndarray:
        with contained(f"reading the depth map of {self.names[row]}"):
            metres = self.depths[row].read()
        try:
            kept = evaluated(metres, self.params.nearest, self.params.farthest, self.params.crop)
        except ValueError as error:
            raise TaskError(f"params.depth.crop of {self.names[row]}: {error}. Set another one, or `none`.") from None
        return np.where(kept, metres, np.float32(0))

    def content(self, truth: np.ndarray) -> np.ndarray:
        """Return number of trained pixels and sum of their depths in millimetres."""
        known = truth[truth > 0].astype(np.float64)
        return np.array([known.size, round(1000 * known.sum())], dtype=np.int64)

    def check_train(self, content: np.ndarray) -> None:
        if not content[PIXELS]:
            raise TaskError(f"no pixel of the training maps {self._in_range}")

    def check_tested(self, content: np.ndarray) -> None:
        if not content[PIXELS]:
            raise TaskError(f"no pixel of the test maps {self._in_range}")

    def loss(self, logits: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss of a window times its number of known pixels, and that number."""
        count = (truth > 0).sum().to(logits.dtype)
        predicted = resized(self.maps(logits[None])[0], truth.shape[0], truth.shape[1])[0]
        loss = sigma_loss(predicted, truth, self.params.mean_weight)
        if self.params.gradient_weight:
            loss = loss + self.params.gradient_weight * gradient_loss(predicted, truth)
        return loss * count, count

    def maps(self, logits: torch.Tensor) -> torch.Tensor:
        """Return metres of a grid that is finer than that of the patches, shape (windows, 1, rows', columns')."""
        return depth_of_bins(logits, self.params.nearest, self.params.farthest, self.params.finer)

    def decided(self, averaged: SlidingLogits) -> torch.Tensor:
        return averaged.whole()[0].clamp(self.params.nearest, self.params.farthest)

    def counted(self, predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Return the errors of a picture, float64; all 0 where no pixel is evaluated."""
        known = truth > 0
        if not known.any():
            return np.zeros(FIRST_ERROR + len(ERRORS))
        depths = truth[known].astype(np.float64)
        errors = depth_errors(predicted[known], depths)
        return np.array([depths.size, depths.mean(), (depths**2).mean(), *(errors[name] for name in ERRORS)])

    def heldout(self, counts: np.ndarray) -> float:
        found = counts[counts[:, PIXELS] > 0]
        if not len(found):
            raise TaskError(f"no pixel of the held-out training maps {self._in_range}")
        return -float(found[:, FIRST_ERROR + list(ERRORS).index("rmse")].mean())

    def small(self, predicted: np.ndarray) -> bytes:
        return b""

    def scored(self, ids: Sequence[str], paths: Sequence[str], evidence: DenseEvidence) -> Scored:
        has_truth = evidence.counts[:, 0, PIXELS] > 0
        rows = np.flatnonzero(has_truth)
        counts = evidence.counts[rows]
        names = np.asarray(ids, dtype=object)[rows]
        outcomes = {
            "direction": np.full(len(rows), "depth", dtype=object),
            "sample_id": names,
            "cluster_id": names,
            "image": np.asarray(paths, dtype=object)[rows],
            "pixels": counts[:, 0, PIXELS].astype(np.int64),
            **{name: object_column(counts[:, :, FIRST_ERROR + place].tolist()) for place, name in enumerate(ERRORS)},
            "rmse_constant": _constant_rmse(counts[:, 0], evidence.train_content),
        }
        return Scored(
            measure(self.task, outcomes),
            outcomes,
            Ties(),
            [*evidence.warnings, *_left_out(np.asarray(ids, dtype=object)[~has_truth])],
            probe=evidence.probe,
            pixels={"all": evidence.pixels, "ignored": evidence.pixels - int(counts[:, 0, PIXELS].sum())},
            pictures={picture.name: depth_sheet(picture) for picture in evidence.drawn},
        )

    @property
    def _in_range(self) -> str:
        near, far = self.params.nearest, self.params.farthest
        return (
            f"has a depth between {near:g} and {far:g} m inside the crop: see params.depth, and source.metres_per_unit "
            "of the card."
        )


def depth_target(task: Task, params: DenseProbeParams, dataset: Dataset) -> DepthTarget:
    """Return the target of a task whose pictures have depth maps.

    Raises:
        TaskError: there are none.
    """
    if dataset.depths is None:
        raise TaskError("a dense probe of depth needs depth maps, but the data have none: use reader depth-maps.")
    settings: dict[str, object] = {
        "loss": f"root of variance + {params.depth.mean_weight:g} x squared mean of the logarithmic error, "
        f"+ {params.depth.gradient_weight:g} x its gradients over 4 scales; per window",
        **params.depth.model_dump(mode="json", exclude={"mean_weight", "gradient_weight"}),
    }
    return DepthTarget(task, [image.shown_name for image in dataset.images], dataset.depths, params.depth, settings)


def _constant_rmse(counts: np.ndarray, train_content: np.ndarray) -> np.ndarray:
    """Return the error of each picture where the mean depth of the training pixels is predicted everywhere."""
    constant = train_content[1] / 1000 / train_content[PIXELS]
    squared = counts[:, SQUARE] - 2 * constant * counts[:, DEPTH] + constant**2
    error: np.ndarray = np.sqrt(np.maximum(squared, 0.0))
    return error


def _left_out(ids: np.ndarray) -> list[str]:
    """Return a line about pictures without any evaluated pixel."""
    return [f"pictures without a pixel to score, left out: {len(ids):,} ({listing(ids)})"] if len(ids) else []
