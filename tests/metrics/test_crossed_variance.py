"""Scenes crossed with backgrounds: shares of known populations, intervals, and which of two changes is nearer."""

from __future__ import annotations

import numpy as np
import pytest

from goldieval.metrics.crossed_variance import (
    BACKGROUND,
    COLOUR,
    COLOUR_AND_TEXTURE,
    COMBINED,
    NUMBER,
    OBJECTS,
    OTHER_OBJECTS,
    TEXTURE,
    background_is_nearer,
    crossed_shares,
)
from goldieval.metrics.variance_shares import Share

GROUPS, SCENES, COLOURS, TEXTURES, DIM = 3, 6, 4, 2, 8


def scaled(effect: np.ndarray, size: float) -> np.ndarray:
    """Give an effect a mean square length."""
    return effect * np.sqrt(size / (effect**2).sum(axis=-1).mean())


def centred(effect: np.ndarray, *axes: int) -> np.ndarray:
    for axis in axes:
        effect = effect - effect.mean(axis=axis, keepdims=True)
    return effect


class World:
    """Effects of backgrounds and of numbers of objects; scenes are drawn from it."""

    sizes = {COLOUR: 1.0, TEXTURE: 0.5, COLOUR_AND_TEXTURE: 0.25, NUMBER: 0.75, OTHER_OBJECTS: 2.0, COMBINED: 1.5}

    def __init__(self, rng: np.random.Generator) -> None:
        draw = rng.normal
        self.fixed = (
            scaled(centred(draw(size=(1, 1, COLOURS, 1, DIM)), 2), self.sizes[COLOUR])
            + scaled(centred(draw(size=(1, 1, 1, TEXTURES, DIM)), 3), self.sizes[TEXTURE])
            + scaled(centred(draw(size=(1, 1, COLOURS, TEXTURES, DIM)), 2, 3), self.sizes[COLOUR_AND_TEXTURE])
            + scaled(centred(draw(size=(GROUPS, 1, 1, 1, DIM)), 0), self.sizes[NUMBER])
        )

    def features(self, rng: np.random.Generator) -> np.ndarray:
        own = rng.normal(size=(GROUPS, SCENES, 1, 1, DIM)) * np.sqrt(self.sizes[OTHER_OBJECTS] / DIM)
        # One of each background is the negative sum of the others, hence the factor.
        backgrounds = COLOURS * TEXTURES
        combined = rng.normal(size=(GROUPS, SCENES, backgrounds, DIM)) * np.sqrt(self.sizes[COMBINED] / DIM)
        combined = centred(combined, 2) * np.sqrt(backgrounds / (backgrounds - 1))
        return self.fixed + own + combined.reshape(GROUPS, SCENES, COLOURS, TEXTURES, DIM)

    @property
    def truth(self) -> dict[str, float]:
        total = sum(self.sizes.values())
        parts = {name: size / total for name, size in self.sizes.items()}
        background = parts[COLOUR] + parts[TEXTURE] + parts[COLOUR_AND_TEXTURE]
        return parts | {BACKGROUND: background, OBJECTS: parts[NUMBER] + parts[OTHER_OBJECTS]}


def estimates(draws: int) -> tuple[World, dict[str, list[Share]]]:
    """Return a world, and the shares that are found in independent draws of its scenes, by name."""
    rng = np.random.default_rng(0)
    world = World(rng)
    found = [crossed_shares(world.features(rng)) for _ in range(draws)]
    return world, {name: [each[name] for each in found] for name in world.truth}


def test_estimates_meet_the_truth() -> None:
    world, found = estimates(12)
    for name, share in world.truth.items():
        values = np.array([each.value for each in found[name]])
        # A ratio of unbiased estimates: its bias is of the order of one over the number of scenes.
        assert abs(values.mean() - share) < 4 * values.std() / np.sqrt(len(values)) + 0.01, name


@pytest.mark.slow
def test_intervals_cover_the_truth() -> None:
    world, found = estimates(120)
    for name, share in world.truth.items():
        covered = np.mean([each.low <= share <= each.high for each in found[name]])
        assert covered >= 0.85, (name, covered)


def test_parts_add_up() -> None:
    rng = np.random.default_rng(1)
    found = {name: share.value for name, share in crossed_shares(World(rng).features(rng)).items()}
    assert found[BACKGROUND] + found[OBJECTS] + found[COMBINED] == pytest.approx(1)
    assert found[COLOUR] + found[TEXTURE] + found[COLOUR_AND_TEXTURE] == pytest.approx(found[BACKGROUND])
    assert found[NUMBER] + found[OTHER_OBJECTS] == pytest.approx(found[OBJECTS])


@pytest.mark.parametrize("what", [BACKGROUND, OBJECTS])
def test_features_that_know_one_thing_only(what: str) -> None:
    rng = np.random.default_rng(2)
    shape = (1, 1, COLOURS, TEXTURES, DIM) if what == BACKGROUND else (GROUPS, SCENES, 1, 1, DIM)
    features = np.broadcast_to(rng.normal(size=shape), (GROUPS, SCENES, COLOURS, TEXTURES, DIM))
    found = crossed_shares(features)
    assert found[what].value == pytest.approx(1)
    assert found[what].low == pytest.approx(1) and found[COMBINED].value == pytest.approx(0, abs=1e-12)
    vectors = features / np.linalg.norm(features, axis=-1, keepdims=True)
    assert background_is_nearer(vectors) == (1.0 if what == BACKGROUND else 0.0)


def test_equal_features_are_refused() -> None:
    with pytest.raises(ValueError, match="all features are equal"):
        crossed_shares(np.ones((GROUPS, SCENES, COLOURS, TEXTURES, DIM)))


def test_nearer_equals_a_loop_over_all_comparisons() -> None:
    rng = np.random.default_rng(3)
    shape = (2, 2, 2, 2, 3)
    vectors = rng.integers(-1, 2, size=shape) + 1e-3 * rng.normal(size=shape)
    vectors[0, 1] = vectors[0, 0]  # two equal scenes: ties
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    table = vectors.reshape(4, 4, 3)
    wins = []
    for scene, background in np.ndindex(4, 4):
        for other_scene, other_background in np.ndindex(4, 4):
            if other_scene == scene or other_background == background:
                continue
            same_background = table[scene, background] @ table[other_scene, background]
            same_scene = table[scene, background] @ table[scene, other_background]
            wins.append((same_background > same_scene) + (same_background == same_scene) / 2)
    assert background_is_nearer(vectors) == pytest.approx(np.mean(wins))
