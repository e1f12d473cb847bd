"""Boxes in the pictures of a data set, each of which is a query: where it lies, and what is true of what it shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SMALL, LARGE = 32**2, 96**2  # pixels of a box; the limits of COCO's detection scores
NARROWEST = 1e-3  # side of a box in pixels: in float32 the ends of a smaller one are the same point


@dataclass(frozen=True)
class Boxes:
    """Boxes with either a class or candidate texts of their own.

    Attributes:
        ids: Id of each box.
        image: Index of the picture of each box, shape (boxes,).
        corners: Left, top, right and bottom in pixels of the original picture, float64, shape (boxes, 4).
        sizes: Width and height of each picture as the annotations state them, 0 if they do not, shape (images, 2).
        labels: Class of each box, shape (boxes,); None if boxes have candidates of their own.
        candidates: Index of each candidate text, the true one first, filled up with -1, shape (boxes, most).
    """

    ids: list[str]
    image: np.ndarray
    corners: np.ndarray
    sizes: np.ndarray
    labels: np.ndarray | None = None
    candidates: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def shown_candidates(self) -> np.ndarray:
        """Number of candidates of each box that has its own, shape (boxes,)."""
        assert self.candidates is not None
        counts: np.ndarray = (self.candidates >= 0).sum(axis=1)
        return counts

    def on(self, keep: np.ndarray) -> tuple[Boxes, np.ndarray]:
        """Return the boxes on the pictures selected by the mask ``keep``, and which boxes these are, (boxes,)."""
        kept = keep[self.image]
        boxes = Boxes(
            ids=[id for id, is_kept in zip(self.ids, kept, strict=True) if is_kept],
            image=(np.cumsum(keep) - 1)[self.image[kept]],
            corners=self.corners[kept],
            sizes=self.sizes[keep],
            labels=self.labels[kept] if self.labels is not None else None,
            candidates=self.candidates[kept] if self.candidates is not None else None,
        )
        return boxes, kept

    def clipped(self) -> np.ndarray:
        """Return the corners within the pictures, as far as the annotations state their sizes, shape (boxes, 4)."""
        sizes = self.sizes[self.image].astype(float)
        return clipped(self.corners, np.where(sizes > 0, sizes, np.inf))


def clipped(corners: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the part of boxes that lies in their pictures.

    Args:
        corners: Left, top, right and bottom, shape (boxes, 4).
        sizes: Width and height of the pictures, shape (boxes, 2) or (2,).

    >>> clipped(np.array([[-5.0, 2.0, 30.0, 9.0]]), np.array([20, 10])).tolist()
    [[0.0, 2.0, 20.0, 9.0]]
    """
    ends = (np.clip(corners[:, side : side + 2], 0, sizes) for side in (0, 2))
    return np.concatenate(list(ends), axis=1)


def is_empty(corners: np.ndarray) -> np.ndarray:
    """Return which boxes have no area, shape (boxes,): a side is shorter than ``NARROWEST``.

    >>> is_empty(np.array([[0, 0, 9, 0.5], [0, 0, 9, 0], [0, 0, 9, 1e-9]])).tolist()
    [False, True, True]
    """
    return np.asarray((corners[:, 2:] - corners[:, :2] < NARROWEST).any(axis=1))


def strata_by_size(corners: np.ndarray) -> dict[str, np.ndarray]:
    """Return the groups ``small``, ``medium`` and ``large`` by the area of the boxes, each a mask (boxes,).

    >>> {name: mask.tolist() for name, mask in strata_by_size(np.array([[0, 0, 31, 33], [0, 0, 96, 96.0]])).items()}
    {'small': [True, False], 'medium': [False, False], 'large': [False, True]}
    """
    area = (corners[:, 2:] - corners[:, :2]).prod(axis=1)
    return {"small": area < SMALL, "medium": (area >= SMALL) & (area < LARGE), "large": area >= LARGE}
