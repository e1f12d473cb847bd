"""Shares of the variance of features of scenes of which each is shown on every background.

The backgrounds are all that there are; the scenes are a sample, the same number of each group (here: of each number of
objects). With a feature for each pair, variance splits exactly into that of the background (its colour, its texture,
both combined), of the scene's group, of the scene within its group, and of scene and background combined. What the
sampling of scenes adds to each part is taken off.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from goldieval.metrics.variance_shares import PERMUTATIONS, RESAMPLES, Share, named_shares

BACKGROUND, OBJECTS, COMBINED = "background", "objects", "combined"
COLOUR, TEXTURE, COLOUR_AND_TEXTURE = "background colour", "background texture", "background colour and texture"
NUMBER, OTHER_OBJECTS = "number of objects", "objects of one number"
NAMES = (BACKGROUND, COLOUR, TEXTURE, COLOUR_AND_TEXTURE, OBJECTS, NUMBER, OTHER_OBJECTS, COMBINED)


def crossed_shares(features: np.ndarray) -> dict[str, Share]:
    """Return the shares of background, objects and both combined, which add up to 1, and of their parts.

    The parts of ``background`` are its colour, its texture and their combination; those of ``objects`` their number,
    and what differs among scenes of one number. Intervals come from a bootstrap over scenes, chance from features that
    are exchanged at random.

    Args:
        features: (groups, scenes of a group, colours, textures, dim).

    Raises:
        ValueError: all features are equal.
    """
    exact = features.astype(np.float64)
    if not (exact - exact.reshape(-1, exact.shape[-1]).mean(axis=0)).any():
        raise ValueError("all features are equal")
    values = _shares(exact)
    scenes = exact.shape[1]
    # A bootstrap of n scenes of a group understates the variance of their mean by (n - 1) / n.
    errors = np.std(list(_resampled(exact)), axis=0, ddof=1) * np.sqrt(scenes / (scenes - 1))
    chance = np.quantile(list(_exchanged(exact)), 0.95, axis=0)
    return named_shares(NAMES, values, errors, [*map(float, chance[:-1]), None])


def background_is_nearer(features: np.ndarray) -> float:
    """Return how often a scene on another background is farther away than another scene on the same background.

    All pictures are compared with all such pairs, by cosine; a tie counts one half. 0.5 says that exchanging the
    background moves a picture as far as exchanging the scene.

    Args:
        features: unit vectors, (groups, scenes of a group, colours, textures, dim).
    """
    groups, scenes, colours, textures, dim = features.shape
    vectors = features.reshape(groups * scenes, colours * textures, dim)
    same_background = np.einsum("lbd,mbd->lbm", vectors, vectors)
    same_scene = np.einsum("lbd,lcd->lbc", vectors, vectors)
    shares = [
        _larger(_others(same_background[:, place], np.arange(len(vectors))), same_scene[:, place], place)
        for place in range(vectors.shape[1])
    ]
    return float(np.mean(shares))


def _others(similarities: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return (rows, columns) without one column per row, (rows, columns - 1)."""
    kept = np.ones(similarities.shape, dtype=bool)
    kept[np.arange(len(own)), own] = False
    return np.reshape(similarities[kept], (len(own), -1))


def _larger(same_background: np.ndarray, same_scene: np.ndarray, own: int) -> float:
    """Return how often a similarity of the same background exceeds one of the same scene, over all pairs of a row."""
    other = np.delete(same_scene, own, axis=1)
    difference = same_background[:, :, None] - other[:, None, :]
    return float((difference > 0).mean() + (difference == 0).mean() / 2)


def _shares(features: np.ndarray) -> np.ndarray:
    """Return the shares in the order of ``NAMES``."""
    by_scene = features.mean(axis=(2, 3), keepdims=True)
    number, within = _components(by_scene - by_scene.mean(axis=(0, 1), keepdims=True))
    changes = features - by_scene  # what the background changes, scene by scene
    colour = changes.mean(axis=3, keepdims=True)
    texture = changes.mean(axis=2, keepdims=True)
    parts = [_average_and_deviation(effect) for effect in (colour, texture, changes - colour - texture)]
    background, combined = (sum(part[side] for part in parts) for side in (0, 1))
    objects = number + within
    shares = np.array([background, *(part[0] for part in parts), objects, number, within, combined])
    return np.asarray(shares / (background + objects + combined))


def _average_and_deviation(effect: np.ndarray) -> tuple[float, float]:
    """Return the variance of an effect's average over scenes, and that of its deviations from it, scene by scene.

    Args:
        effect: (groups, scenes, colours or 1, textures or 1, dim), mean 0 over the backgrounds of each scene.
    """
    average = effect.mean(axis=(0, 1), keepdims=True)
    between, within = _components(effect - average)
    return _square(average) - within / (effect.shape[0] * effect.shape[1]), between + within


def _components(deviations: np.ndarray) -> tuple[float, float]:
    """Return the variance between groups and within groups of deviations from the mean, averaged over backgrounds."""
    groups = deviations.mean(axis=1, keepdims=True)
    scenes = deviations.shape[1]
    within = _square(deviations - groups) * scenes / (scenes - 1)
    return _square(groups) - within / scenes, within


def _square(vectors: np.ndarray) -> float:
    """Return the mean square length of vectors, (..., dim)."""
    return float((vectors**2).sum(axis=-1).mean())


def _resampled(features: np.ndarray) -> Iterator[np.ndarray]:
    generator = np.random.Generator(np.random.PCG64(0))
    groups, scenes = features.shape[:2]
    for _ in range(RESAMPLES):
        drawn = generator.integers(0, scenes, (groups, scenes))
        yield _shares(features[np.arange(groups)[:, None], drawn])


def _exchanged(features: np.ndarray) -> Iterator[np.ndarray]:
    generator = np.random.Generator(np.random.PCG64(1))
    flat = features.reshape(-1, features.shape[-1])
    for _ in range(PERMUTATIONS):
        yield _shares(flat[generator.permutation(len(flat))].reshape(features.shape))
