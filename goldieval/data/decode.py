"""Decoding of images, for evaluation and training alike: 8-bit RGB, as in clip-benchmark and open_clip.

Equivalent to ``Image.open(file).convert("RGB")``: the first frame, without alpha, EXIF orientation not applied. In
addition, where Pillow clips silently, 16-bit grey is scaled from its full range, and modes without a defined range are
refused.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
from PIL import Image, UnidentifiedImageError

LIMIT = "GOLDIEVAL_MAX_PIXELS"
MOST_PIXELS = 178_956_970  # Pillow's limit; an image of this size takes 0.5 GB
DEEP = "16 bits scaled to 8"  # change this text when the rule changes: it is part of the keys of such images
BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0  # TIFF

PROGRAMS = frozenset({"EPS", "WMF"})  # PostScript is passed to Ghostscript, metafiles to Windows
POSTSCRIPT = (b"%!PS", b"\xc5\xd0\xd3\xc6")
PILLOW = r"PIL\."


class UndecodableError(OSError):
    """The bytes were read but are not a valid image: a permanent property, unlike a failure to read them."""


class TooLargeError(OSError):
    """An image with more pixels than allowed; it can be read if the limit is raised."""


def most_pixels() -> int:
    """Return the maximum number of pixels of an image: ``$GOLDIEVAL_MAX_PIXELS``, or Pillow's limit."""
    given = os.environ.get(LIMIT, "")
    return int(given) if given.isdecimal() and int(given) > 0 else MOST_PIXELS


def decode(data: bytes) -> Image.Image:
    """Decode an image file's bytes to RGB.

    Raises:
        UndecodableError: It is not an image, damaged, or has values without a defined range.
        TooLargeError: It has more pixels than allowed.
    """
    with open_image(data) as picture:
        check_range(picture)
        return _from_deep(picture) if _is_deep(picture) else picture.convert("RGB")


def check_image(data: bytes) -> None:
    """Raise the errors of ``decode`` that can be found from the file's header, without decoding pixels."""
    with open_image(data) as picture:
        check_range(picture)


def size_of(data: bytes) -> tuple[int, int]:
    """Return width and height from a file's header. Raises the same errors as ``decode``."""
    with open_image(data) as picture:
        return picture.size


def key_of(data: bytes) -> str:
    """Return a key of an image's content: of its bytes and, for more than 8 bits, of how they are converted.

    Raises:
        UndecodableError: The values have no defined range.
    """
    total = hashlib.sha256(data)
    if not data.startswith(b"\xff\xd8") and _deep_header(data):  # a JPEG has 8 bits
        total.update(DEEP.encode())
    return total.hexdigest()


def _deep_header(data: bytes) -> bool:
    try:
        with open_image(data) as picture:
            mode = picture.mode
            deep = _is_deep(picture)
    except OSError:
        return False  # reported when the image is opened
    if not deep and (fault := _no_range(mode)):
        raise UndecodableError(fault)
    return deep


@contextmanager
def open_image(data: bytes) -> Iterator[Image.Image]:
    """Open an image file's bytes with Pillow, within the pixel limit. Raises UndecodableError or TooLargeError."""
    _silence_pillow()
    limit = Image.MAX_IMAGE_PIXELS = most_pixels()
    try:
        with Image.open(io.BytesIO(data), formats=_formats()) as picture:
            _check_size(picture.size, limit)
            yield picture
    except (UndecodableError, TooLargeError):
        raise
    except UnidentifiedImageError as error:
        if data.startswith(POSTSCRIPT):
            raise UndecodableError("PostScript is a program, and programs in data are not executed") from None
        raise UndecodableError("not an image format that Pillow supports") from error
    except Image.DecompressionBombError as error:
        raise TooLargeError(
            f"{str(error).partition(',')[0]}, above the limit of {limit:,} pixels: see {LIMIT}"
        ) from None
    except MemoryError as error:
        raise OSError("there is not enough memory to decode it") from error
    except Exception as error:  # Pillow's plugins raise OSError, ValueError, SyntaxError … for damaged files
        raise UndecodableError(f"{type(error).__name__}: {error}") from error


@cache
def _formats() -> list[str]:
    """Return the formats that Pillow decodes itself, excluding those it passes to an external program."""
    Image.init()
    return [name for name in Image.ID if name not in PROGRAMS]


def _silence_pillow() -> None:
    """Suppress Pillow's warnings (damaged EXIF, palettes, sizes); relevant problems are errors here."""
    if ("ignore", None, Warning, re.compile(PILLOW), 0) not in warnings.filters:
        warnings.filterwarnings("ignore", module=PILLOW)


def _check_size(size: tuple[int, int], limit: int) -> None:
    width, height = size
    if width * height > limit:
        raise TooLargeError(
            f"{width:,} x {height:,} pixels are above the limit of {limit:,}: set {LIMIT}={width * height} to allow it"
        )
    if not width * height:
        raise UndecodableError(f"it is empty: {width} x {height} pixels")


def check_range(picture: Image.Image) -> None:
    """Raise UndecodableError for values without a defined range from black to white."""
    if not _is_deep(picture) and (fault := _no_range(picture.mode)):
        raise UndecodableError(fault)


def _no_range(mode: str) -> str:
    kinds = {"F": "floating-point values", "I": "32-bit or signed values"}
    if kind := kinds.get(mode.partition(";")[0]):
        return f"it has {kind}, for which black and white are not defined: save it with 8 or 16 bits"
    return ""


def _is_deep(picture: Image.Image) -> bool:
    """Return whether an image has 16-bit grey values; Pillow reads those of PGM into 32 bits, scaled to 16."""
    return picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PPM")


def _from_deep(picture: Image.Image) -> Image.Image:
    """Scale grey values from their full range to 8 bits, rounded."""
    tags = getattr(picture, "tag_v2", {})
    most = 2 ** int(tags.get(BITS_PER_SAMPLE, (16,))[0]) - 1  # a TIFF may have 12 bits
    values = np.asarray(picture).astype(np.uint32).clip(0, most)
    grey = ((values * 255 + most // 2) // most).astype(np.uint8)
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        grey = 255 - grey
    return Image.fromarray(grey).convert("RGB")
