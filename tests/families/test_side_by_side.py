"""The legend of a segmentation sheet: names whole where there is room, else cut so that their shares are seen."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from goldieval.families.side_by_side import LINE, DrawnPicture, _fitted, side_by_side


@pytest.mark.parametrize(
    ("room", "text"),
    [(24, "purple triangle 20 / 4 %"), (23, "purple triang… 20 / 4 %"), (17, "purple… 20 / 4 %"), (3, "20 / 4 %")],
)
def test_a_name_is_cut_before_its_shares_are(room: int, text: str) -> None:
    assert _fitted("purple triangle", " 20 / 4 %", lambda cut: len(cut) <= room) == text


def test_columns_are_as_wide_as_the_longest_name() -> None:
    """Short names stand side by side; with one that fills the sheet each has its line."""
    classes = np.arange(64).reshape(8, 8) % 4

    def height(names: list[str]) -> int:
        shown = DrawnPicture("one", 0, np.zeros((8, 8, 3), np.uint8), classes, classes)
        return Image.open(io.BytesIO(side_by_side(shown, names, [(9, 9, 9)] * 4))).height

    assert height(["a", "b", "c", "w" * 300]) - height(["a", "b", "c", "d"]) >= 2 * LINE
