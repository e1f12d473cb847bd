"""Depth maps: metres of every pixel of a picture."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from goldieval.data.places import Place


class DepthSource(Protocol):
    """The depth map of one picture."""

    def key(self) -> str:
        """Return a SHA-256 of everything that determines the depths."""

    def place(self) -> Place | None:
        """Return the file that holds it; None if it is computed."""

    def read(self) -> np.ndarray:
        """Return metres, float32, shape (height, width); 0 where the depth is unknown.

        Raises:
            TaskError: the file cannot be read or holds something else.
        """
