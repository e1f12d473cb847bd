"""The packed golden values are the originals: names, shapes and sums."""

from __future__ import annotations

import numpy as np
import pytest
from golden import FOLDER, NAMES, checksum, described, drawn, golden

LARGEST_MB = 3


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_has_the_sums_of_the_original(name: str) -> None:
    """Sums of about 1e5 float32 values to 1e-6: one value that another processor rounds differently is allowed."""
    _, tensors = golden(name)
    assert tensors.keys() == described(name)["sums"].keys()
    for key, wanted in described(name)["sums"].items():
        assert checksum(tensors[key].numpy()) == pytest.approx(wanted, rel=1e-12, abs=1e-6), key


@pytest.mark.parametrize("name", NAMES)
def test_drawn_values_are_near_the_originals_before_they_are_corrected(name: str) -> None:
    """The corrections are last places and no values of their own."""
    _, tensors = golden(name)
    streams: dict[int, np.ndarray] = {}
    for key, how in described(name)["drawn"].items():
        assert np.abs(drawn(how, streams) - tensors[key].numpy()).max() < 2e-6, key


def test_a_caller_has_tensors_of_its_own() -> None:
    golden("flair")[1]["in.images"].zero_()
    assert golden("flair")[1]["in.images"].any()


def test_the_files_stay_small() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < LARGEST_MB * 2**20
