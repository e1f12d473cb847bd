"""Pictures from bytes, for evaluation and training alike: RGB, 8 bits, as clip-benchmark and open_clip see them.

``Image.open(file).convert("RGB")``: the first frame, without alpha, EXIF orientation not applied. Beyond that, which
Pillow clips without a word: 16-bit grey is scaled from its full range, and what has no agreed range is refused.
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
MOST_PIXELS = 178_956_970  # where Pillow stops; a picture of so many takes 0.5 GB
DEEP = "16 bits scaled to 8"  # raise the words when the rule changes: they are part of such pictures' keys
BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0  # TIFF

PROGRAMS = frozenset({"EPS", "WMF"})  # PostScript goes to Ghostscript, metafiles to Windows
POSTSCRIPT = (b"%!PS", b"\xc5\xd0\xd3\xc6")
PILLOW = r"PIL\."


class UndecodableError(OSError):
    """The bytes are here but are no picture: true of the content for good, unlike a failure to read it."""


class TooLargeError(OSError):
    """A picture of more pixels than allowed: true until the limit is raised."""


def most_pixels() -> int:
    """Return how many pixels a picture may have: ``$GOLDIEVAL_MAX_PIXELS``, or what Pillow allows."""
    given = os.environ.get(LIMIT, "")
    return int(given) if given.isdecimal() and int(given) > 0 else MOST_PIXELS


def decode(data: bytes) -> Image.Image:
    """Return the RGB picture of an image file's bytes.

    Raises:
        UndecodableError: no picture, a damaged one, or values without an agreed range.
        TooLargeError: more pixels than allowed.
    """
    with open_image(data) as picture:
        check_range(picture)
        return _from_deep(picture) if _is_deep(picture) else picture.convert("RGB")


def check_image(data: bytes) -> None:
    """Raise what ``decode`` would raise for all that a file's header tells; no pixel is decoded."""
    with open_image(data) as picture:
        check_range(picture)


def size_of(data: bytes) -> tuple[int, int]:
    """Return width and height from a file's header. Raises as ``decode``."""
    with open_image(data) as picture:
        return picture.size


def key_of(data: bytes) -> str:
    """Return an identity of a picture's content: of its bytes, and for deep ones of how they are read.

    Raises:
        UndecodableError: values without an agreed range.
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
        return False  # whoever opens it says what is wrong
    if not deep and (fault := _no_range(mode)):
        raise UndecodableError(fault)
    return deep


@contextmanager
def open_image(data: bytes) -> Iterator[Image.Image]:
    """Open an image file's bytes with Pillow, within the limit of pixels. Raises UndecodableError, TooLargeError."""
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
            raise UndecodableError("PostScript is a program, and no program of the data is run") from None
        raise UndecodableError("no picture format that Pillow knows") from error
    except Image.DecompressionBombError as error:
        raise TooLargeError(
            f"{str(error).partition(',')[0]}, above the limit of {limit:,} pixels: see {LIMIT}"
        ) from None
    except MemoryError as error:
        raise OSError("there is not enough memory to decode it") from error
    except Exception as error:  # Pillow's plugins raise OSError, ValueError, SyntaxError … on broken files
        raise UndecodableError(f"{type(error).__name__}: {error}") from error


@cache
def _formats() -> list[str]:
    """Return the formats that Pillow reads by itself: without those that it hands to a program of the machine."""
    Image.init()
    return [name for name in Image.ID if name not in PROGRAMS]


def _silence_pillow() -> None:
    """Keep Pillow's remarks (damaged EXIF, palettes, sizes) off the screen; what matters is an error here."""
    if ("ignore", None, Warning, re.compile(PILLOW), 0) not in warnings.filters:
        warnings.filterwarnings("ignore", module=PILLOW)


def _check_size(size: tuple[int, int], limit: int) -> None:
    width, height = size
    if width * height > limit:
        raise TooLargeError(
            f"{width:,} x {height:,} pixels are above the limit of {limit:,}: set {LIMIT}={width * height} to allow it"
        )
    if not width * height:
        raise UndecodableError(f"it is {width} x {height} pixels, so there is nothing to see")


def check_range(picture: Image.Image) -> None:
    """Raise UndecodableError for values that have no agreed range from black to white."""
    if not _is_deep(picture) and (fault := _no_range(picture.mode)):
        raise UndecodableError(fault)


def _no_range(mode: str) -> str:
    kinds = {"F": "floating-point values", "I": "32-bit or signed values"}
    if kind := kinds.get(mode.partition(";")[0]):
        return f"it has {kind}, of which nothing says what is black and what is white: save it with 8 or 16 bits"
    return ""


def _is_deep(picture: Image.Image) -> bool:
    """True for 16 bits of grey; Pillow reads those of PGM into 32, scaled to 16."""
    return picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PPM")


def _from_deep(picture: Image.Image) -> Image.Image:
    """Scale grey from its full range to 8 bits, rounded."""
    tags = getattr(picture, "tag_v2", {})
    most = 2 ** int(tags.get(BITS_PER_SAMPLE, (16,))[0]) - 1  # a TIFF may have 12
    values = np.asarray(picture).astype(np.uint32).clip(0, most)
    grey = ((values * 255 + most // 2) // most).astype(np.uint8)
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        grey = 255 - grey
    return Image.fromarray(grey).convert("RGB")
