"""What the boxes of a task may be: classes that all of them share, or candidate texts of each box."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from goldieval.core.transfers import upload
from goldieval.scoring.conditioned import Pool
from goldieval.scoring.cosine import unit
from goldieval.scoring.patches import Read, reader
from goldieval.scoring.similarities import ensemble


class Candidates(Protocol):
    """Scores boxes against their candidates."""

    def scores(self, vectors: torch.Tensor, boxes: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return scores, -inf where a box has fewer candidates than others, and the index of the true candidate.

        Args:
            vectors: Vectors of some boxes, not normalised, shape (boxes, dim).
            boxes: Indices of these boxes, shape (boxes,).

        Returns:
            Float32, shape (boxes, candidates), and int64, shape (boxes,).
        """


@dataclass(frozen=True)
class SharedClasses:
    """All boxes have the same candidates, the classes.

    Attributes:
        texts: Texts of the task as encoded, shape (texts, dim).
        prompts: Text indices of each class's prompts, shape (classes, prompts per class).
        labels: Class of each box, shape (boxes,).
        reading: How a vector is compared with a text, see ``scoring.patches.reader``.
        pool: The model's pooling, if it has one.
    """

    texts: torch.Tensor
    prompts: torch.Tensor
    labels: np.ndarray
    reading: str
    pool: Pool | None
    read: Read = field(init=False)

    def __post_init__(self) -> None:
        units = ensemble(unit(self.texts, "text"), self.prompts)
        length = self.texts.float().norm(dim=-1).mean()
        object.__setattr__(self, "read", reader(self.reading, units, length * units, self.pool))

    def scores(self, vectors: torch.Tensor, boxes: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        return _read_each(self.read, vectors), upload(torch.from_numpy(self.labels[boxes]), vectors.device)


@dataclass(frozen=True)
class OwnTexts:
    """Every box has candidates of its own, the true one first.

    Attributes:
        texts: Texts of the task as encoded, shape (texts, dim).
        candidates: Text index of each candidate, filled up with -1, shape (boxes, most).
        reading: How a vector is compared with a text, see ``scoring.patches.reader``.
        pool: The model's pooling, if it has one.
    """

    texts: torch.Tensor
    candidates: np.ndarray
    reading: str
    pool: Pool | None
    units: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", unit(self.texts, "text"))

    def scores(self, vectors: torch.Tensor, boxes: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Score the boxes against all texts that are candidates of one of them, and pick each one's own."""
        listed = self.candidates[boxes]
        used, place = np.unique(np.maximum(listed, 0), return_inverse=True)
        rows = upload(torch.from_numpy(used), self.units.device)
        read = reader(self.reading, self.units[rows], self.texts[rows], self.pool)
        columns = upload(torch.from_numpy(place.reshape(listed.shape)), vectors.device)
        own = _read_each(read, vectors).gather(1, columns)
        missing = upload(torch.from_numpy(listed < 0), vectors.device)
        return own.masked_fill(missing, -torch.inf), torch.zeros(len(boxes), dtype=torch.int64, device=vectors.device)


def _read_each(read: Read, vectors: torch.Tensor) -> torch.Tensor:
    """Return the score of every vector for every text, shape (vectors, texts)."""
    return read(vectors[:, None, None])[:, :, 0, 0]
