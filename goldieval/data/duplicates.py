"""Captions shared by several images: a query with such a caption has no single correct answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Repeats(NamedTuple):
    """Number of repeated captions.

    Attributes:
        captions: Captions equal to a caption of another image.
        images: Images with such a caption.
    """

    captions: int
    images: int


def repeats(texts: Sequence[str], owner: np.ndarray) -> Repeats:
    """Count captions that are identical to a caption of another image; ``owner`` is each text's image, (texts,).

    >>> repeats(["a", "b", "a", "b", "b"], np.array([0, 0, 1, 2, 2]))
    Repeats(captions=5, images=3)
    """
    images: dict[str, set[int]] = {}
    for text, image in zip(texts, owner, strict=True):
        images.setdefault(text, set()).add(int(image))
    shared = [int(image) for text, image in zip(texts, owner, strict=True) if len(images[text]) > 1]
    return Repeats(len(shared), len(set(shared)))
