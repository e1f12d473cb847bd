"""A check of the palettes of masks: if one value has several colours, it may not be the number of a class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from goldieval.core.limits import PICTURE_BYTES
from goldieval.core.reading import read_bytes
from goldieval.data.decode import open_image

MOST_COMPARED = 200  # masks

Colour = tuple[int, int, int]


def palette_warning(files: Sequence[Path]) -> list[str]:
    """Return a warning if a value has different colours in two masks with a palette, else nothing.

    Programs that reduce the colours of an image (``Image.quantize``, GIF) number them anew in every image, so that
    the same class has different values.

    Args:
        files: The masks; of very many, evenly spaced ones are compared.
    """
    seen: dict[int, tuple[Colour, Path]] = {}
    for file in files[:: -(-len(files) // MOST_COMPARED)]:
        for value, colour in _colours(file).items():
            known, first = seen.setdefault(value, (colour, file))
            if known != colour:
                return [
                    f"warning: value {value} is the colour {known} in {first.name} and {colour} in {file.name}: if "
                    "colours mean classes, the values do not; save the masks with one palette"
                ]
    return []


def _colours(file: Path) -> dict[int, Colour]:
    """Return the colours of the values that occur, as red, green and blue from 0 to 255; empty without a palette."""
    with open_image(read_bytes(file, PICTURE_BYTES)) as picture:
        palette = picture.getpalette("RGB") if picture.mode == "P" else None
        values = np.unique(np.asarray(picture)).tolist() if palette else []
    table = list(zip(*[iter(palette or [])] * 3, strict=False))
    return {value: table[value] for value in values if value < len(table)}
