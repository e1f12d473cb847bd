"""Probes of embeddings that were computed elsewhere: nothing can be encoded, but the rows can be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from goldieval.doctor.check import Check
from goldieval.models.adapter import Precomputed
from goldieval.models.spec import ModelSpec
from goldieval.scoring.cosine import unit


@dataclass
class EmbeddingsSubject:
    """A folder of embeddings; each side is all its rows, shape (n, dim)."""

    model: Precomputed
    spec: ModelSpec

    @cached_property
    def image(self) -> np.ndarray:
        return self.model.image_embeddings(self._ids("image"))

    @cached_property
    def text(self) -> np.ndarray:
        return self.model.text_embeddings(self._ids("text"))

    def _ids(self, side: str) -> list[str]:
        return (Path(self.spec.name) / f"{side}_ids.txt").read_text(encoding="utf-8").splitlines()


def image_rows(stored: EmbeddingsSubject) -> Check:
    """Rows are finite, not zero, not all the same."""
    return _rows("image rows", stored.image)


def text_rows(stored: EmbeddingsSubject) -> Check:
    """The same for texts."""
    return _rows("text rows", stored.text)


def widths(stored: EmbeddingsSubject) -> Check:
    """Both sides must be of the same space."""
    image, text = stored.image.shape[1], stored.text.shape[1]
    found = f"{image} for images, {text} for texts"
    return Check("widths", image == text, found if image == text else f"{found}: they cannot be compared")


PROBES = (image_rows, text_rows, widths)


def _rows(name: str, rows: np.ndarray) -> Check:
    unit(rows, name.split()[0])
    norms = np.linalg.norm(rows, axis=1)
    return Check(name, True, f"{len(rows):,} of {rows.shape[1]} numbers, norms {norms.min():.3g} to {norms.max():.3g}")
