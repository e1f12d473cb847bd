"""Large arrays by picture that are kept on disk, such as the patch features of training images."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class KeptArrays(Protocol):
    """Arrays of one kind and one model, by content key; what is not kept is computed again.

    Several threads and processes may use them at the same time. They are read from disk row by row, and never lie in
    memory as a whole.
    """

    def has(self, key: str) -> bool:
        """Return whether the array of a picture is kept and undamaged."""

    def row(self, key: str, number: int) -> np.ndarray | None:
        """Return one row of an array; None if it is not kept.

        Args:
            key: content key of the picture.
            number: index along the first axis.
        """

    def add(self, key: str, array: np.ndarray) -> bool:
        """Keep an array, if the limit of the store allows it.

        Returns:
            Whether it is kept; if not, no further ones will be.
        """


class NothingKept:
    """Keeps nothing."""

    def has(self, key: str) -> bool:
        return False

    def row(self, key: str, number: int) -> np.ndarray | None:
        return None

    def add(self, key: str, array: np.ndarray) -> bool:
        return False
