"""Images, masks and boxes: the same geometry everywhere, and every object is visible."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from goldieval.data.shapes.backgrounds import empty_picture
from goldieval.data.shapes.contours import contour
from goldieval.data.shapes.draw import boxes, draw, instance_mask, opacity, semantic_mask
from goldieval.data.shapes.world import (
    BACKGROUNDS,
    COLOURS,
    EVERY_BACKGROUND,
    FILLS,
    JITTER,
    RADIUS,
    SHAPES,
    SIZES,
    TEXTURES,
    Background,
    Obj,
    Scene,
    sample_scene,
)

SCENES = [sample_scene("test", index) for index in range(60)]
RESOLUTIONS = (16, 64, 129)
GREY = Background("grey", "plain")


def scene_of(objects: list[Obj], background: Background = GREY) -> Scene:
    return Scene("test", "scene", 0, 0, tuple(objects), background)


def pixels(scene: Scene, resolution: int = 64) -> np.ndarray:
    return np.asarray(draw(scene, resolution)).astype(int)


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_the_image_is_rgb_of_the_requested_size(resolution: int) -> None:
    picture = draw(SCENES[0], resolution)
    assert (picture.mode, picture.size) == ("RGB", (resolution, resolution))


def test_the_same_scene_is_the_same_picture_and_another_scene_another() -> None:
    pictures = [draw(scene, 64).tobytes() for scene in SCENES]
    assert pictures == [draw(scene, 64).tobytes() for scene in SCENES]
    assert len(set(pictures)) == len(SCENES)


@pytest.mark.parametrize("change", ["shape", "colour", "size", "fill", "cell", "dx", "dy"])
def test_every_property_changes_the_picture(change: str) -> None:
    obj = Obj("star", "red", "small", "solid", 0, 0, 0)
    other: dict[str, Any] = {
        "shape": "moon",
        "colour": "blue",
        "size": "large",
        "fill": "striped",
        "cell": 1,
        "dx": 40,
        "dy": 40,
    }
    assert not np.array_equal(pixels(scene_of([obj])), pixels(scene_of([replace(obj, **{change: other[change]})])))


def test_shapes_have_different_outlines() -> None:
    masks = [instance_mask(scene_of([Obj(shape, "red", "small", "solid", 4, 0, 0)]), 64) for shape in SHAPES]
    for first, second in itertools.combinations(masks, 2):
        overlap = (first & second).sum() / (first | second).sum()
        assert overlap < 0.87


def test_a_background_word_changes_the_picture() -> None:
    seen = {pixels(scene_of([], Background(*b))).tobytes() for b in itertools.product(BACKGROUNDS, TEXTURES)}
    assert len(seen) == len(BACKGROUNDS) * len(TEXTURES)


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_masks_and_boxes_agree(resolution: int) -> None:
    for scene in SCENES:
        mask, meaning = instance_mask(scene, resolution), semantic_mask(scene, resolution)
        assert mask.shape == meaning.shape == (resolution, resolution) and mask.dtype == meaning.dtype == np.uint8
        assert set(np.unique(mask)) == set(range(len(scene.objects) + 1))
        for number, (obj, box) in enumerate(zip(scene.objects, boxes(scene, resolution), strict=True), start=1):
            rows, columns = np.nonzero(mask == number)
            assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert set(meaning[mask == number]) == {SHAPES.index(obj.shape) + 1}
        assert not meaning[mask == 0].any()


def test_boxes_lie_where_the_scene_says() -> None:
    for scene in SCENES:
        for obj, box in zip(scene.objects, boxes(scene, 500), strict=True):
            points = np.array(contour(obj.shape)) * RADIUS[obj.size] * 0.5
            centre = np.array(
                [(2 * obj.column + 1) / 6 * 500 + obj.dx * 0.5, (2 * obj.row + 1) / 6 * 500 + obj.dy * 0.5]
            )
            expected = np.concatenate([points.min(axis=0) + centre, points.max(axis=0) + centre])
            assert np.abs(box - expected).max() < 3  # sharp tips cover less than half of their last pixels


def test_objects_stay_in_their_cells_whatever_the_jitter() -> None:
    for size, sign, cell in itertools.product(SIZES, (-1, 1), range(9)):
        jitter = sign * JITTER[size]
        objects = [Obj(shape, "red", size, "solid", cell, jitter, jitter) for shape in SHAPES]
        for obj in objects:
            (box,) = boxes(scene_of([obj]), 300)
            assert (box[0] // 100, box[1] // 100) == ((box[2] - 1) // 100, (box[3] - 1) // 100) == (obj.column, obj.row)


def test_the_drawing_lies_on_the_masks() -> None:
    for scene in SCENES:
        changed = np.abs(pixels(scene, 128) - pixels(replace(scene, objects=()), 128)).max(axis=2) > 0
        inside = instance_mask(scene, 128) > 0
        near = np.pad(inside, 1)
        grown = np.logical_or.reduce(
            [near[1 + y : 129 + y, 1 + x : 129 + x] for y, x in itertools.product((-1, 0, 1), repeat=2)]
        )
        # A sharp tip covers less than half of its last pixels, so they are drawn but not in the mask.
        assert (changed & ~grown).sum() <= 0.01 * changed.sum()
        assert (changed & inside).sum() > 0.3 * inside.sum()


@pytest.mark.parametrize("texture", TEXTURES)
def test_every_object_stands_out_from_every_background(texture: str) -> None:
    """At 64 px, averaged over the object's mask, the strongest of the three channels differs by at least 25 of 255."""
    looks = list(itertools.product(SHAPES, COLOURS, SIZES, FILLS))
    for start, colour in itertools.product(range(0, len(looks), 9), BACKGROUNDS):
        some = looks[start : start + 9]
        objects = [Obj(shape, c, size, fill, cell, 0, 0) for cell, (shape, c, size, fill) in enumerate(some)]
        scene = scene_of(objects, Background(colour, texture))
        difference = np.abs(pixels(scene) - pixels(replace(scene, objects=()))).max(axis=2)
        mask = instance_mask(scene, 64)
        for number, look in enumerate(some, start=1):
            assert difference[mask == number].mean() > 25, (look, colour, texture)


def test_fills_and_colours_differ_strongly_even_when_small() -> None:
    for shape in SHAPES:
        base = Obj(shape, "red", "small", "solid", 4, 0, 0)
        mask = instance_mask(scene_of([base]), 64) > 0
        fills = [pixels(scene_of([replace(base, fill=fill)]))[mask] for fill in FILLS]
        colours = [pixels(scene_of([replace(base, colour=colour)]))[mask] for colour in COLOURS]
        for first, second in (*itertools.combinations(fills, 2), *itertools.combinations(colours, 2)):
            assert np.abs(first - second).max(axis=1).mean() > 20, shape


def test_too_small_a_picture_is_refused() -> None:
    for function in (draw, instance_mask, semantic_mask, boxes):
        with pytest.raises(ValueError, match="15 px is too small"):
            function(SCENES[0], 15)


# Opacity


def on_another_background(scene: Scene, background: Background, side: int) -> np.ndarray:
    """Exchange the background of a scene's image by the opacity of its objects."""
    before, after = (np.asarray(empty_picture(own, side)).astype(float) for own in (scene.background, background))
    return pixels(scene, side) + (after - before) * (1 - opacity(scene, side)[..., None] / 255)


@pytest.mark.parametrize("side", [16, 64, 100])
def test_opacity_exchanges_a_background_as_if_drawn_anew(side: int) -> None:
    """In every fill and size on every background; rounding changes a value by less than 2."""
    fills = [Obj(shape, "white", size, fill, 4, 9, -7) for shape in SHAPES for size in SIZES for fill in FILLS]
    scenes = [*SCENES[:24], *(scene_of([obj], EVERY_BACKGROUND[number % 24]) for number, obj in enumerate(fills))]
    for number, scene in enumerate(scenes):
        for background in EVERY_BACKGROUND[number % 5 :: 5]:
            drawn = pixels(replace(scene, background=background), side)
            assert np.abs(on_another_background(scene, background, side) - drawn).max() < 2


def test_every_background_occurs_once_and_objects_are_opaque() -> None:
    assert len(set(EVERY_BACKGROUND)) == len(BACKGROUNDS) * len(TEXTURES) == 24
    assert {scene.background for scene in SCENES} <= set(EVERY_BACKGROUND)
    assert not opacity(scene_of([]), 64).any()
    scene = scene_of([Obj("square", "red", "large", "solid", 4, 0, 0)])
    covered = opacity(scene, 64)
    assert covered.dtype == np.uint8 and covered[32, 32] == 255 and not covered[:20].any()
