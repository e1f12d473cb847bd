"""Simulated segmentation data with class frequencies like those of words: areas of the predictions of each image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from goldieval.metrics import miou

PER_PICTURE = 4.0  # classes in a picture, on average
PIXELS = 10_000


@dataclass(frozen=True)
class World:
    """classes: so many.   falling: a class is in pictures in proportion to 1 / rank ** falling."""

    classes: int
    falling: float

    @property
    def name(self) -> str:
        return f"{self.classes} classes, falling by {self.falling}"


WORLDS = [World(classes, falling) for classes in (20, 59, 150) for falling in (0.5, 1.0, 1.5)]


def areas(world: World, images: int, generator: np.random.Generator, worse: float = 0.0) -> np.ndarray:
    """Return (images, 4, classes) intersection, union, predicted and labelled pixels of so many pictures.

    Args:
        worse: how much less of each class the model finds.
    """
    classes = world.classes
    made = np.random.default_rng(1)
    found, size = made.beta(3, 2, classes) * 0.9, np.exp(0.8 * made.standard_normal(classes))
    claims = made.beta(1, 6, classes) * 0.15
    common = 1 / (np.arange(classes) + 1.5) ** world.falling
    common = np.minimum(common * PER_PICTURE / common.sum(), 0.95)
    there = generator.random((images, classes)) < common
    there[np.arange(images), generator.integers(0, max(1, classes // 10), images)] = True
    labelled = np.where(there, size * np.exp(0.8 * generator.standard_normal((images, classes))), 0.0)
    labelled = np.round(labelled / labelled.sum(axis=1, keepdims=True) * PIXELS).astype(np.int64)
    luck = 0.15 * generator.standard_normal((images, 1)) + 0.2 * generator.standard_normal((images, classes))
    inside = np.floor(labelled * np.clip(found + luck - worse, 0, 1)).astype(np.int64)
    wrong = (labelled - inside).sum(axis=1, keepdims=True)
    elsewhere = (generator.random((images, classes)) < 0.1) * claims * 10 * np.maximum(common, 0.02)
    to = there + elsewhere
    false = np.floor(wrong * to / to.sum(axis=1, keepdims=True)).astype(np.int64)
    return np.stack([inside, labelled + false, inside + false, labelled], axis=1)


@cache
def truth(world: World, worse: float = 0.0, thousands: int = 160) -> float:
    """Return mean IoU of very many pictures."""
    generator = np.random.default_rng(2)
    total = sum(areas(world, 2000, generator, worse).sum(axis=0) for _ in range(thousands // 2))
    return float(np.nanmean(miou.per_class(np.asarray(total))[0]))
