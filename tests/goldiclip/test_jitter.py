"""Jitter: colours change as a loop over pixels says, and colour words stay right."""

from __future__ import annotations

import colorsys
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from batch_contents import same_content
from colour_vision import seen
from training_samples import image_text_folder, recipe_showing, tokenizer

from goldieval.data.shapes.backgrounds import BACKGROUND_RGB
from goldieval.data.shapes.draw import COLOUR_RGB
from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.data.batches import Batches
from goldieval.goldiclip.data.images import CutImages
from goldieval.goldiclip.data.jitter import BRIGHTNESS, CHANGES, CONTRAST, HUE, SATURATION, colour_maps, jittered
from goldieval.goldiclip.data.jsonl import JsonLines
from goldieval.goldiclip.data.normalisation import normalised_colours, plain_colours
from goldieval.goldiclip.data.packed import packed

ALONE = np.concatenate([np.eye(CHANGES), -np.eye(CHANGES)])  # the largest change of each, in both directions


def uniform(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 1, CHANGES))


def extreme(count: int) -> np.ndarray:
    """Return draws of the strongest changes: each alone, all corners, and random directions beyond the largest."""
    corners = np.array(list(itertools.product((-1, 1), repeat=CHANGES)))
    directions = np.random.default_rng(0).normal(size=(count, CHANGES))
    directions /= np.abs(directions).max(axis=1, keepdims=True)
    return (1 + np.concatenate([ALONE, corners, directions])[:, None]) / 2


def changed(colours: np.ndarray, strength: float, draws: np.ndarray) -> np.ndarray:
    """Return how colours of 0..255, shape (n, 3), look under each of the draws, shape (draws, n, 3)."""
    pixels = torch.from_numpy(colours / 255).float().T[None, :, :, None].expand(len(draws), -1, -1, -1)
    views = jittered(normalised_colours(pixels)[:, None], colour_maps(strength, draws))
    return 255 * plain_colours(views[:, 0]).squeeze(-1).permute(0, 2, 1).double().numpy()


def nearest(colours: np.ndarray, names: np.ndarray, space: str) -> np.ndarray:
    """Return which of the names is nearest to each colour, in RGB or in CIELAB."""
    ours, theirs = (colours, names) if space == "rgb" else (seen(part, "normal") for part in (colours, names))
    distances: np.ndarray = np.linalg.norm(ours[:, None] - theirs[None], axis=-1)
    return distances.argmin(axis=1)


@pytest.mark.parametrize("space", ["rgb", "cielab"])
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_object_colours_stay_nearest_to_themselves(strength: float, space: str) -> None:
    names = np.array(list(COLOUR_RGB.values()), dtype=float)
    draws = np.concatenate([extreme(2000), uniform(2000)])
    for number, seen_as in enumerate(changed(names, strength, draws).transpose(1, 0, 2)):
        wrong = nearest(seen_as, names, space) != number
        assert not wrong.any(), (list(COLOUR_RGB)[number], 2 * draws[wrong][0] - 1)


def test_background_colours_stay_nearest_to_themselves_as_they_are_seen() -> None:
    names = np.array(list(BACKGROUND_RGB.values()), dtype=float)
    for number, seen_as in enumerate(changed(names, 1.0, extreme(2000)).transpose(1, 0, 2)):
        assert (nearest(seen_as, names, "cielab") == number).all(), list(BACKGROUND_RGB)[number]


def test_each_change_does_what_its_name_says() -> None:
    """An orange and a grey, brighter, with more contrast, more saturated and turned; then the opposite."""
    before = np.array([[180.0, 130.0, 80.0], [100.0, 100.0, 100.0]])
    after = changed(before, 1.0, (1 + ALONE[:, None]) / 2)
    luma = np.array([0.299, 0.587, 0.114])
    for sign, (brighter, contrasty, saturated, turned) in ((1, after[:4]), (-1, after[4:])):
        np.testing.assert_allclose(brighter, (1 + sign * BRIGHTNESS) * before, atol=0.01)
        np.testing.assert_allclose(contrasty, 127.5 + (1 + sign * CONTRAST) * (before - 127.5), atol=0.01)
        grey = (before @ luma)[:, None]
        np.testing.assert_allclose(saturated, grey + (1 + sign * SATURATION) * (before - grey), atol=0.1)
        np.testing.assert_allclose(turned @ luma, before @ luma, atol=0.1)
        np.testing.assert_allclose(turned[1], before[1], atol=0.1)
        hue = [colorsys.rgb_to_hsv(*(colours[0] / 255))[0] * 360 for colours in (before, turned)]
        assert 3 < abs(hue[1] - hue[0]) < 2 * np.degrees(HUE)
    hues = [colorsys.rgb_to_hsv(*(colours[0] / 255))[0] for colours in (after[3], after[7])]
    assert (hues[0] - 1 / 12) * (hues[1] - 1 / 12) < 0  # in opposite directions


def test_strength_scales_all_changes_and_none_changes_nothing() -> None:
    draws = uniform(50)
    still = torch.eye(3, 4).expand(50, 1, 3, 4)
    torch.testing.assert_close(colour_maps(0.0, draws), still)
    half, full = (float((colour_maps(strength, draws) - still).abs().mean()) for strength in (0.5, 1.0))
    assert half == pytest.approx(full / 2, rel=0.1) and full > 0.01


def test_no_change_together_exceeds_the_largest_alone() -> None:
    corner = colour_maps(1.0, np.ones((1, 1, CHANGES)))
    half = colour_maps(0.5, np.array([[[1.0, 0.5, 0.5, 0.5]]]))
    assert float(corner[0, 0].sum(-1)[0]) > 1
    brightness_alone = colour_maps(1.0, np.array([[[1.0, 0.5, 0.5, 0.5]]]))
    assert float(brightness_alone[0, 0, 0, :3].sum()) == pytest.approx(1 + BRIGHTNESS, abs=1e-3)
    assert float(half[0, 0, 0, :3].sum()) == pytest.approx(1 + BRIGHTNESS / 2, abs=1e-3)
    assert float(corner[0, 0, 0, :3].sum()) == pytest.approx((1 + BRIGHTNESS / 2) * (1 + CONTRAST / 2), abs=1e-3)


# Pictures from files


def batch(file: Path, rank: int = 0, world: int = 1, **data: Any) -> Batch:
    chosen = recipe_showing(**{"locals": 2, "local_size": 16, **data})
    return Batches(JsonLines(file, tokenizer()), tokenizer(), chosen, rank, world).at(0)


def test_local_crops_of_files_are_jittered_and_nothing_else(tmp_path: Path) -> None:
    file = image_text_folder(tmp_path)
    before, after = batch(file), batch(file, jitter=1.0)
    assert isinstance(after.images, CutImages) and after.images.jitter is not None
    for shown in ("first", "whole"):
        assert torch.equal(getattr(before.images, shown)(), getattr(after.images, shown)())
    maps = after.images.jitter[..., None, None, :, :]  # for every pixel
    pixels = plain_colours(before.images.local().flatten(0, 1)).view_as(before.images.local())
    expected = (maps[..., :3] @ pixels.permute(0, 1, 3, 4, 2)[..., None])[..., 0] + maps[..., 3]
    found = plain_colours(after.images.local().flatten(0, 1)).view_as(pixels)
    torch.testing.assert_close(found.permute(0, 1, 3, 4, 2), expected.clamp(0, 1), atol=1e-5, rtol=0)
    assert float(found.min()) + 1e-6 >= 0 and float(found.max()) <= 1 + 1e-6


def test_files_are_jittered_alike_in_every_division_of_the_batch(tmp_path: Path) -> None:
    file = image_text_folder(tmp_path)
    whole = batch(file, jitter=0.5)
    shares = [batch(file, rank, 2, jitter=0.5) for rank in range(2)]
    for parts in (shares, [whole.part(number, 2) for number in range(2)]):
        found = torch.cat([part.images.local() for part in parts])
        torch.testing.assert_close(found, whole.images.local(), atol=1e-6, rtol=0)
    assert same_content(packed(whole).images, whole.images)
