"""Small maps of classes: what is stored is read again, and what is no map is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from goldieval.core.errors import GoldievalError
from goldieval.data.small_maps import SIDE, decode_map, encode_map


@pytest.mark.parametrize("classes", [3, 256, 257, 1500])
@pytest.mark.parametrize("shape", [(1, 1), (40, 60), (256, 3)])
def test_a_small_map_is_read_as_it_was(classes: int, shape: tuple[int, int]) -> None:
    made = np.random.default_rng(0).integers(0, classes, shape)
    made.flat[0] = classes - 1
    assert np.array_equal(decode_map(encode_map(made), classes), made)


def test_a_large_map_is_reduced_without_new_classes() -> None:
    made = np.tile(np.repeat([1, 7], 1000), (500, 1))
    small = decode_map(encode_map(made), 8)
    assert small.shape == (64, SIDE) and set(np.unique(small)) == {1, 7}
    assert len(encode_map(made)) < 1000


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"no picture",
        encoded(Image.new("L", (SIDE + 1, 1))),
        encoded(Image.new("RGB", (4, 4))),
        encoded(Image.new("L", (4, 4)), "JPEG"),
        encoded(Image.new("L", (4, 4), 9)),
        encode_map(np.zeros((4, 4), int))[:-30],
        encode_map(np.zeros((4, 4), int)) + bytes(1 << 20),
    ],
)
def test_what_is_no_map_is_one_line(data: bytes) -> None:
    with pytest.raises(GoldievalError, match="not a map of") as error:
        decode_map(data, 9)
    assert "\n" not in str(error.value)
