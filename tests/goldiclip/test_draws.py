"""Random bytes of foreign captions: the same for every division into rows, and the same in every release."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from goldieval.goldiclip.data.draws import drawn_bytes, row_width


@pytest.mark.parametrize("images", [1, 7, 8, 9, 100])
def test_a_share_of_the_rows_is_drawn_alone(images: int) -> None:
    everyone = drawn_bytes(images, 3, 5, range(images))
    assert everyone.shape == (images, row_width(images)) and everyone.dtype == np.uint8
    middle = range(images // 3, images // 2 + 1)
    assert np.array_equal(drawn_bytes(images, 3, 5, middle), everyone[middle.start : middle.stop])
    assert drawn_bytes(images, 3, 5, range(0)).shape == (0, row_width(images))


def test_rows_have_a_byte_for_each_image_and_a_whole_word_beside() -> None:
    assert [row_width(images) for images in (1, 8, 9, 4096)] == [16, 16, 24, 4104]


def test_seed_and_step_and_row_choose_other_bytes() -> None:
    drawn = [drawn_bytes(64, *key)[None] for key in ((0, 0, range(1)), (1, 0, range(1)), (0, 1, range(1)))]
    drawn.append(drawn_bytes(64, 0, 0, range(1, 2))[None])
    assert len({part.tobytes() for part in drawn}) == 4


def test_the_stream_is_pinned() -> None:
    """A resumed training draws what it would have drawn, also under another release of NumPy."""
    drawn = drawn_bytes(1000, 2**32 - 1, 10**6, range(300, 310))
    pinned = "06aba83e39a4efefa73e9e623ae9c84d30aa8cd16d926f4676c195cf693cad7e"
    assert hashlib.sha256(drawn.tobytes()).hexdigest() == pinned


def test_bytes_are_uniform() -> None:
    """Chi-squared of 255 degrees of freedom: 4 standard deviations."""
    counts = np.bincount(drawn_bytes(2048, 0, 0, range(256)).ravel(), minlength=256)
    expected = counts.sum() / 256
    assert abs(float(((counts - expected) ** 2 / expected).sum()) - 255) < 4 * (2 * 255) ** 0.5
