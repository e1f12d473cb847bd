"""One decoder for evaluation and training: 8 bits as in Pillow, 16 bits scaled, and a limit of pixels."""

from __future__ import annotations

import contextlib
import hashlib
import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from goldieval.data.decode import LIMIT, TooLargeError, UndecodableError, check_image, decode, key_of
from goldieval.data.image_source import FileImage
from goldieval.goldiclip.data.corpus import BadSampleError
from goldieval.goldiclip.data.pictures import decoded

RAMP = (np.arange(4096).reshape(64, 64) * 16).astype(np.uint16)


def encoded(picture: Image.Image, format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format, **options)
    return stream.getvalue()


def big_endian_tiff(values: np.ndarray) -> bytes:
    return encoded(Image.frombytes("I;16B", values.shape[::-1], values.astype(">u2").tobytes()), "TIFF")


DEEP = {
    "png": encoded(Image.fromarray(RAMP), "PNG"),
    "tiff": encoded(Image.fromarray(RAMP), "TIFF"),
    "big-endian tiff": big_endian_tiff(RAMP),
    "jpeg 2000": encoded(Image.fromarray(RAMP), "JPEG2000"),
    "pgm": b"P5\n64 64\n65535\n" + RAMP.astype(">u2").tobytes(),
}


@pytest.mark.parametrize("name", DEEP)
def test_sixteen_bits_are_scaled_from_their_full_range_in_evaluation_and_in_training(name: str, tmp_path: Path) -> None:
    file = tmp_path / "picture"
    file.write_bytes(DEEP[name])
    seen = np.asarray(FileImage(file).open())
    assert seen.shape == (64, 64, 3) and abs(float(seen.mean()) - 127) < 1.5
    assert (seen.min(), seen.max()) == (0, 255)
    assert np.array_equal(np.asarray(decoded("here", DEEP[name])), seen)


def test_white_is_zero_and_twelve_bits_are_read_as_such() -> None:
    white = encoded(Image.fromarray(RAMP), "TIFF", tiffinfo={262: 0})
    assert np.asarray(decode(white))[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    "pixels",
    [RAMP.astype("f4") / 65536, RAMP.astype("f4"), np.full((4, 4), np.nan, "f4"), RAMP.astype("i4")],
)
def test_values_without_a_defined_range_are_refused_everywhere(pixels: np.ndarray) -> None:
    data = encoded(Image.fromarray(pixels), "TIFF")
    for reads in (decode, check_image, key_of):
        with pytest.raises(UndecodableError, match="black and white are not defined"):
            reads(data)
    with pytest.raises(BadSampleError, match="are not defined"):
        decoded("here", data)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"])
def test_eight_bits_are_decoded_by_pillow_and_keep_their_key(mode: str) -> None:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 255, (9, 7, 3), dtype=np.uint8)).convert("RGB" if mode == "LAB" else mode)
    if mode == "LAB":
        picture = Image.merge("LAB", picture.split())
    data = encoded(picture, {"CMYK": "TIFF", "LAB": "TIFF", "YCbCr": "JPEG"}.get(mode, "PNG"))
    assert np.array_equal(np.asarray(decode(data)), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    assert key_of(data) == hashlib.sha256(data).hexdigest()


def test_a_deep_picture_is_another_content_than_when_it_was_clipped() -> None:
    assert key_of(DEEP["png"]) != hashlib.sha256(DEEP["png"]).hexdigest()


def test_palette_with_transparency_and_the_first_of_several_frames() -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 200, 100, 50])
    with warnings.catch_warnings(record=True) as caught:
        assert decode(encoded(palette, "PNG", transparency=bytes([0, 128]))).getpixel((0, 0)) == (200, 100, 50)
    assert not caught
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    assert decode(data).getpixel((0, 0)) == (255, 0, 0)


def test_the_limit_of_pixels_is_ours_and_can_be_raised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    Image.new("1", (200, 100)).save(file)
    for limit in ("10000", "19999"):  # beyond twice the limit, and below, where Pillow only warns
        monkeypatch.setenv(LIMIT, limit)
        with warnings.catch_warnings(record=True) as caught, pytest.raises(TooLargeError, match=LIMIT):
            FileImage(file).open()
        assert not caught
    monkeypatch.setenv(LIMIT, "20000")
    assert FileImage(file).open().size == (200, 100)


def test_damaged_bytes_raise_only_oserror() -> None:
    rng = np.random.default_rng(0)
    whole = [DEEP["png"], DEEP["tiff"], encoded(Image.fromarray(RAMP.astype(np.uint8)), "GIF")]
    for data in whole:
        for _ in range(30):
            spoilt = bytearray(data[: rng.integers(1, len(data))])
            spoilt[rng.integers(0, len(spoilt))] ^= 255
            with contextlib.suppress(OSError):
                decode(bytes(spoilt))


@pytest.mark.parametrize("begins", [b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\xc5\xd0\xd3\xc6" + bytes(28)])
def test_postscript_is_a_program_and_is_not_executed(
    begins: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Pillow passes it to Ghostscript, whatever the file extension."""
    import subprocess

    def run(*arguments: object, **options: object) -> None:
        raise AssertionError("a program was started")

    for name in ("run", "call", "check_call", "check_output", "Popen"):
        monkeypatch.setattr(subprocess, name, run)
    file = tmp_path / "0.png"
    file.write_bytes(begins + b"%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    with pytest.raises(UndecodableError, match="PostScript is a program"):
        FileImage(file).open()
