"""Corruptions of pictures: they grow with severity, follow from the content, and fit any picture."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from goldieval.data.content_keys import image_keys
from goldieval.data.corruptions.corrupted import CorruptedImage
from goldieval.data.corruptions.corruption import Corruption, resized
from goldieval.data.corruptions.functions import FUNCTIONS
from goldieval.data.corruptions.names import TYPOGRAPHIC, Kind
from goldieval.data.image_source import ChangedError, EncodedBytes, FileImage, open_planned

KINDS = list(get_args(Kind))
SIDE = 64


def scene(seed: int = 0) -> Image.Image:
    """Return a picture with edges, colours and areas of one colour."""
    random = np.random.default_rng(seed)
    blocks = random.integers(30, 220, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((160, 120), Image.Resampling.NEAREST)


def corruption(kind: str, severity: int = 3, **given: object) -> Corruption:
    return Corruption(kind, severity, **{"side": SIDE, "word": "piano" if kind == TYPOGRAPHIC else "", **given})  # type: ignore[arg-type]


def error(kind: str, severity: int, key: str) -> float:
    """Return the mean squared difference to the picture that is only resized."""
    clean = np.asarray(resized(scene(), 224), dtype=float)
    changed = np.asarray(corruption(kind, severity, side=224).apply(scene(), key), dtype=float)
    return float(((changed - clean) ** 2).mean())


def test_every_kind_has_a_function() -> None:
    assert [*FUNCTIONS, TYPOGRAPHIC] == KINDS


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("elastic_transform", "fog", "frost", "snow")])
def test_a_picture_differs_more_the_higher_the_severity(kind: str) -> None:
    errors = [np.mean([error(kind, severity, key) for key in "abc"]) for severity in range(1, 6)]
    assert errors == sorted(errors) and errors[0] > 1


@pytest.mark.parametrize("kind", ["fog", "frost", "snow"])
def test_the_strongest_severity_differs_more_than_the_weakest(kind: str) -> None:
    """The released strengths trade one parameter against another, so that not every step is one up."""
    weakest, strongest = (np.mean([error(kind, severity, key) for key in "abcd"]) for severity in (1, 5))
    assert 100 < weakest < strongest


def test_elastic_distortion_grows_within_each_of_its_two_forms() -> None:
    """Severities 1 and 2 move the whole picture, 3 to 5 ripple it."""
    errors = [
        np.mean([error("elastic_transform", severity, key) for key in "abcdefghijkl"]) for severity in range(1, 6)
    ]
    assert errors[0] < errors[1] and errors[2] < errors[3] < errors[4]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (3, 200), (31, 7)])
def test_any_size_is_corrupted_at_the_side_that_is_asked_for(kind: str, size: tuple[int, int]) -> None:
    changed = corruption(kind, 5).apply(Image.new("RGB", size, (200, 30, 60)), "key")
    assert changed.mode == "RGB" and min(changed.size) == SIDE and max(changed.size) <= 8 * SIDE


@pytest.mark.parametrize("kind", KINDS)
def test_random_numbers_follow_from_content_and_seed(kind: str) -> None:
    first, again, other, seeded = (
        corruption(kind, seed=seed).apply(scene(), key).tobytes()
        for key, seed in [("a", 0), ("a", 0), ("b", 0), ("a", 1)]
    )
    assert first == again
    without_chance = {"defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression"}
    assert (first == other == seeded) == (kind in without_chance)


def test_noise_is_the_same_on_every_machine() -> None:
    """The stream of numpy's RandomState is frozen; a changed hash means that published numbers cannot be repeated."""
    grey = Image.new("RGB", (SIDE, SIDE), (128, 128, 128))
    made = hashlib.sha256(corruption("impulse_noise").apply(grey, "a").tobytes()).hexdigest()
    assert made == "8bcc77440a30472bf3cfc5e61ea4cac67b4735c5013743013e9bc0ac7aa3eba1"


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16", "CMYK"])
def test_pictures_of_every_mode_become_rgb(mode: str) -> None:
    stream = io.BytesIO()
    picture = Image.new(mode, (20, 10)) if mode == "I;16" else scene().convert(mode)
    picture.save(stream, "TIFF" if mode == "CMYK" else "PNG")
    image = CorruptedImage(EncodedBytes(stream.getvalue()), corruption("fog"))
    assert image.open().mode == "RGB"
    assert open_planned(image, image.key()).tobytes() == image.open().tobytes()


def test_the_key_covers_everything_that_changes_the_picture() -> None:
    ways = [{}, {"seed": 1}, {"side": 65}]
    keys = {corruption("fog", severity, **way).key("a") for severity in (1, 2) for way in ways}
    keys |= {corruption("snow").key("a"), corruption("fog", 1).key("b")}
    keys |= {corruption(TYPOGRAPHIC, word=word).key("a") for word in ("cat", "dog")}
    assert len(keys) == 10 and corruption("fog").key("") == ""


def test_a_file_is_read_once_for_the_keys_of_its_copies_and_a_changed_one_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene().save(tmp_path / "a.png")
    original, reads = FileImage(tmp_path / "a.png"), []
    content = FileImage.read
    monkeypatch.setattr(FileImage, "read", lambda self: reads.append(self.file) or content(self))
    copies = [CorruptedImage(original, corruption("fog", severity)) for severity in (1, 2, 3)]
    missing = CorruptedImage(FileImage(tmp_path / "b.png"), corruption("fog"))
    *keys, error = image_keys([*copies, missing], 1)
    assert keys == [copy.key() for copy in copies] and isinstance(error, OSError)
    assert reads.count(tmp_path / "a.png") == 1 + len(copies)  # once for all, and once for each key() of this test
    scene(1).save(tmp_path / "a.png")
    with pytest.raises(ChangedError):
        open_planned(copies[0], keys[0])


def test_a_word_is_readable_on_any_background_and_stays_in_the_central_square() -> None:
    for colour in ("white", "black"):
        for severity in range(1, 6):
            clean = Image.new("RGB", (300, 150), colour)
            changed = np.asarray(corruption(TYPOGRAPHIC, severity, side=150).apply(clean, "key"), dtype=int)
            _, columns = np.nonzero(np.abs(changed - np.asarray(clean, dtype=int)).sum(axis=2))
            assert columns.min() >= 75 and columns.max() < 225
            assert changed.min() < 30 and changed.max() > 225
            assert abs((columns.max() - columns.min()) / 150 - (0.2, 0.35, 0.5, 0.7, 0.9)[severity - 1]) < 0.1


def test_words_of_any_letters_and_length_are_written() -> None:
    for word in ("a" * 500, "two\nlines\x1b[31m", "京都", "é"):
        assert corruption(TYPOGRAPHIC, word=word).apply(scene(), "key").size == resized(scene(), SIDE).size
