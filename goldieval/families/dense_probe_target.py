"""What a dense probe predicts for every pixel: the part in which classes and depth differ.

The features, the head, its training, the division of a picture into windows and their averaging are the same for all
targets. A head gives ``outputs`` numbers for each patch of a window; a target turns them into a loss and into a map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from goldieval.families.base import Scored
from goldieval.families.side_by_side import DrawnPicture
from goldieval.records.parts import Probe
from goldieval.scoring.windows import SlidingLogits


@dataclass
class DenseEvidence:
    """What the trained heads predict on the test pictures.

    Attributes:
        rows: indices of the test pictures in the dataset, shape (pictures,).
        counts: what ``Target.counted`` returns for each of them and each seed, shape (pictures, seeds, ...).
        pixels: number of pixels of their truths, including those without a value.
        train_content: sum over the training pictures of ``Target.content``.
        probe: how the heads were trained.
        small: predicted map of each test picture by the first head, reduced, as PNG; empty for targets without.
        drawn: the first test pictures with truth and prediction of the first head, as many as the run draws.
        warnings: warnings about the training, one line each.
    """

    rows: np.ndarray
    counts: np.ndarray
    pixels: int
    train_content: np.ndarray
    probe: Probe
    small: list[bytes] = field(default_factory=list)
    drawn: list[DrawnPicture] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Target(Protocol):
    """What a dense probe predicts, with the truths of the pictures of a dataset.

    A truth is an array of shape (height, width) of the original picture. It is never resized for scores; for training
    it is resized by nearest neighbour to the resized picture, and cut into its windows.

    Attributes:
        settings: settings of loss and prediction, for the record.
        heldout_score: name of the score by which the learning rate is chosen, such as ``mIoU``.
    """

    settings: dict[str, object]
    heldout_score: str

    @property
    def labels(self) -> list[str] | None:
        """Label of each class; None for targets without classes."""

    @property
    def outputs(self) -> int:
        """Numbers that the head gives for each patch."""

    def truth(self, row: int) -> np.ndarray:
        """Return the truth of a picture, shape (height, width).

        Args:
            row: index of the picture in the dataset.

        Raises:
            TaskError: it cannot be read.
        """

    def content(self, truth: np.ndarray) -> np.ndarray:
        """Return what a truth contains, to be added up over pictures: the number of pixels of each class, for example.

        Returns:
            int64, of the same shape for every truth.
        """

    def check_train(self, content: np.ndarray) -> None:
        """Raise TaskError if nothing can be learned from training pictures with this content in all."""

    def check_tested(self, content: np.ndarray) -> None:
        """Raise TaskError if test pictures with this content in all have nothing to score."""

    def loss(self, logits: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss of a window and its weight; the loss of a step is the sum of losses by the sum of weights.

        It is called by several threads, and its gradient must not depend on the number of threads.

        Args:
            logits: outputs of the head, float32, shape (outputs, rows, columns).
            truth: truth of the window, shape (height, width).

        Returns:
            Two numbers; both 0 where no pixel of the window has a value.
        """

    def maps(self, logits: torch.Tensor) -> torch.Tensor:
        """Return what is averaged where windows overlap, and upsampled to pixels.

        Args:
            logits: outputs of the head for windows, float32, shape (windows, outputs, rows, columns).

        Returns:
            Shape (windows, channels, rows', columns'), where the grid may be finer than that of the patches.
        """

    def decided(self, averaged: SlidingLogits) -> torch.Tensor:
        """Return the predicted value of every pixel of the original picture, shape (height, width)."""

    def counted(self, predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Return what the scores of a picture need of its prediction, of the same shape and type for every picture."""

    def heldout(self, counts: np.ndarray) -> float:
        """Return the score of a head on held-out pictures, the higher the better.

        Args:
            counts: of each picture, shape (pictures, ...).
        """

    def small(self, predicted: np.ndarray) -> bytes:
        """Return a reduced prediction as PNG, for the file of outcomes; empty if the target has none."""

    def scored(self, ids: Sequence[str], paths: Sequence[str], evidence: DenseEvidence) -> Scored:
        """Return outcomes and metrics.

        Args:
            ids: id of each test picture.
            paths: path of each test picture.
            evidence: what the heads predict.
        """
