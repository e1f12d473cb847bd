"""Probes of precomputed embeddings: nothing can be encoded, but the rows can be checked."""

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
    """A folder of precomputed embeddings.

    Attributes:
        model: the loaded embeddings.
        spec: spec of the folder.
        image: all embeddings of images, (images, dim).
        text: all embeddings of texts, (texts, dim).
    """

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
    """Check that the embeddings of images are finite, not zero, and not all the same."""
    return _rows("image rows", stored.image)


def text_rows(stored: EmbeddingsSubject) -> Check:
    """Check the embeddings of texts in the same way."""
    return _rows("text rows", stored.text)


def widths(stored: EmbeddingsSubject) -> Check:
    """Check that embeddings of images and of texts have the same width."""
    image, text = stored.image.shape[1], stored.text.shape[1]
    finding = f"{image} for images, {text} for texts"
    return Check("widths", image == text, finding if image == text else f"{finding}: they cannot be compared")


PROBES = (image_rows, text_rows, widths)


def _rows(name: str, rows: np.ndarray) -> Check:
    unit(rows, name.split()[0])
    norms = np.linalg.norm(rows, axis=1)
    return Check(
        name, True, f"{len(rows):,} rows of {rows.shape[1]} values, norms {norms.min():.3g} to {norms.max():.3g}"
    )
