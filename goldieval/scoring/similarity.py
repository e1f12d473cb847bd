"""Image-text similarity as used by a task family: ranks, independent of the scoring mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from goldieval.metrics.accuracy import ClassRanks
from goldieval.metrics.ranks import Ranks
from goldieval.scoring.audit import Audit


class Similarity(Protocol):
    """Scores of a task's images against its texts."""

    def retrieval(self, positives: torch.Tensor, all_positives: bool = False) -> tuple[Ranks, Ranks]:
        """Rank both directions.

        Args:
            positives: Pairs (text index, image index), shape (pairs, 2).
            all_positives: Whether to rank every positive of a query instead of the best alone.

        Returns:
            Ranks of text to image and of image to text.
        """

    def among(self, texts: torch.Tensor, images: torch.Tensor) -> Similarity:
        """Return the similarity of some texts and images alone.

        Args:
            texts: Indices of texts, ascending, shape (n,).
            images: Indices of images, ascending, shape (m,).
        """

    def classes(self, prompts: torch.Tensor, labels: torch.Tensor) -> ClassRanks:
        """Rank the true class of every image and predict a class.

        Args:
            prompts: Text indices of each class's prompts, shape (classes, prompts per class).
            labels: Class indices, shape (images,).
        """

    def pairs(self, image_rows: torch.Tensor, text_rows: torch.Tensor) -> torch.Tensor:
        """Score image ``image_rows[i]`` against text ``text_rows[i]``; return float32, shape (pairs,)."""

    def of_classes(self, prompts: torch.Tensor) -> Similarity:
        """Return the similarity of the images and of classes, each of which is the ensemble of its prompts.

        Args:
            prompts: Text indices of each class's prompts, shape (classes, prompts per class).
        """

    @property
    def audits(self) -> Mapping[str, Audit]:
        """Losses of the ranks returned so far, by direction (t2i, i2t, i2c); empty if they are exact."""

    @property
    def factor(self) -> float | None:
        """Factor of the scores before a softmax, from the model; None if it has none."""

    @property
    def probabilities(self) -> Mapping[str, np.ndarray]:
        """What ``classes`` found out about the softmax over the classes, see ``metrics.confidences``; empty if nothing.

        A column each of one value per image. Classwise gaps need a second pass over all scores, which is made where an
        image has one vector; on a shortlist, most classes have no score.
        """


@runtime_checkable
class ImageBlind(Protocol):
    """A similarity that can also score texts against an image that says nothing about any of them."""

    def blind_pairs(self, text_rows: torch.Tensor) -> torch.Tensor:
        """Score the mean of all images against text ``text_rows[i]``; return float32, shape (pairs,)."""


@runtime_checkable
class TextSimilarity(Protocol):
    """A similarity that also compares texts with each other."""

    def text_pairs(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Return the cosine of text ``first[i]`` and text ``second[i]``, float32, shape (pairs,)."""
