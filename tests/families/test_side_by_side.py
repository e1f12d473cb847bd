"""Segmentation sheets: colours that can be told apart, contours, hatching, and names that are never cut."""

from __future__ import annotations

import io

import numpy as np
import pytest
from colour_vision import VISIONS, distances, least_distance, seen
from PIL import Image, ImageFont

from goldieval.core.drawn_text import lines_within
from goldieval.data.masks import IGNORED
from goldieval.families.class_overlay import INK, PAPER, contours, overlay
from goldieval.families.sheet_colours import OTHERS, PALETTE, sheet_colours
from goldieval.families.sheet_legend import LINE
from goldieval.families.side_by_side import DrawnPicture, side_by_side

LEAST = 11.0  # CIEDE2000; 2.3 is just noticeable
ROW = np.repeat(np.arange(8), 32)


def sheet(truth: np.ndarray, prediction: np.ndarray, names: list[str]) -> np.ndarray:
    """Return the sheet of an evenly grey picture."""
    picture = np.full((*truth.shape, 3), 128, np.uint8)
    png = side_by_side(DrawnPicture("one", 0, picture, truth, prediction), names)
    return np.asarray(Image.open(io.BytesIO(png)))


def test_the_distances_are_those_of_published_pairs() -> None:
    """Three pairs of the test data of Sharma, Wu and Dalal (2005)."""
    pairs = [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ]
    for a, b, expected in pairs:
        assert distances(np.array([a], float), np.array([b], float))[0, 0] == pytest.approx(expected, abs=1e-4)


def test_all_colours_are_told_apart_under_every_vision() -> None:
    every = np.array([*PALETTE, OTHERS, PAPER, INK])
    assert least_distance(every) > LEAST
    assert distances(*(seen(every, "normal"),) * 2)[np.triu_indices(len(every), 1)].min() > 19


def test_neighbours_in_a_sheet_are_told_apart_under_every_vision() -> None:
    """Of what was drawn: the mean colours of areas that touch, on a picture with detail of its own."""
    noise = np.random.default_rng(3).integers(60, 200, (64, 256, 3), dtype=np.uint8)
    for start in range(0, 64, 8):
        classes = np.tile(ROW + start, (64, 1))
        colours = sheet_colours(range(start, start + 8))
        drawn = np.asarray(overlay(Image.fromarray(noise), classes, classes < 0, colours, numbers=False))
        areas = np.stack([drawn[2:-2, 32 * row + 2 : 32 * row + 29].mean((0, 1)) for row in range(8)])
        for vision in VISIONS:
            lab = seen(areas, vision)
            assert min(distances(lab[:-1], lab[1:]).diagonal()) > LEAST - 3, vision


def test_a_class_has_its_own_colour_or_is_grey() -> None:
    many = [7, 23, 39, *range(100, 120)]  # the first three prefer the same colour
    colours = sheet_colours(many)
    own = [colours[number] for number in many[:16]]
    assert len(set(own)) == 16 and OTHERS not in own
    assert {colours[number] for number in many[16:]} == {OTHERS}


def test_few_classes_have_the_same_colours_whatever_their_order() -> None:
    assert sheet_colours([3, 1, 15]) == sheet_colours([15, 3, 1])


def test_contours_stand_between_classes_and_ignored_pixels_are_hatched_in_both_maps() -> None:
    truth = np.tile(np.repeat([0, 1], 240), (480, 1))
    truth[:, -100:] = IGNORED
    prediction = np.zeros_like(truth)
    drawn = sheet(truth, prediction, ["left", "right"])
    panels = [drawn[26 : 26 + 480, 8 + 488 * number :][:, :480] for number in range(3)]
    assert (panels[1][:, 239] == INK).all() and not (panels[2][:, 200:300] == INK).all(-1).any(0).all()
    for panel in panels[1:]:
        assert set(map(tuple, panel[:, -98:].reshape(-1, 3).tolist())) == {INK, PAPER}
    assert panels[0].min() == panels[0].max() == 128  # nothing on the picture itself


def test_contours_are_one_pixel_wide() -> None:
    assert contours(np.array([[0, 0, 1], [0, 0, 1], [2, 2, 2]])).tolist() == [
        [False, True, False], [True, True, True], [False, False, False]]  # fmt: skip


@pytest.mark.parametrize("room", [40, 120, 300])
@pytest.mark.parametrize("name", ["Sandwich, with everything on it", "w" * 300, "x", "wall-other-material " * 12])
def test_a_name_is_wrapped_and_never_cut(room: int, name: str) -> None:
    font = ImageFont.load_default(size=13)
    lines = lines_within(name, room, font)
    assert "".join(lines).replace(" ", "") == name.replace(" ", "")
    assert all(font.getlength(line) <= room for line in lines)


def test_the_legend_grows_with_its_names_and_nothing_reaches_the_edge() -> None:
    classes = np.arange(64).reshape(8, 8) % 4
    few, long = (sheet(classes, classes, ["a", "b", "c", last]) for last in ("d", "w" * 300))
    assert long.shape[0] - few.shape[0] >= 5 * LINE and long.shape[1] == few.shape[1]
    assert (long[:, -4:] == PAPER).all() and (long[-4:] == PAPER).all()


def test_a_hundred_classes_are_all_named() -> None:
    truth = np.arange(10_000).reshape(100, 100) // 100
    names = [f"class of number {number}" for number in range(100)]
    drawn = sheet(truth, truth, names)
    assert drawn.shape[0] > 100 // 5 * LINE


def test_one_class_and_one_pixel_are_drawn() -> None:
    assert sheet(np.zeros((1, 1), int), np.zeros((1, 1), int), ["all"]).shape[1] > 0
    assert sheet(np.zeros((2, 900), int), np.zeros((2, 900), int), ["all"]).shape[1] > 0
