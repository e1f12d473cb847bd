"""Sizes declared in a model's files, checked against the size of the files: a few kB must not allocate all memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError

LAYERS = 1_000
EDGE = 8_192  # pixels per side of an image
CONTEXT = 16_384  # tokens of a text; attention masks have the square of it
FLOOR, RATIO = 10**9, 8  # bytes: a model may take FLOOR plus RATIO times the size of its files
PIXELS = 2**24  # to which every image is enlarged
_EDGES = ("size", "crop_size", "pad_size", "image_size", "height", "width", "shortest_edge", "longest_edge")
_MARKS = ("image_seq_len", "image_seq_length", "num_query_tokens", "num_additional_image_tokens", "num_image_tokens")
_MOST = {
    **dict.fromkeys((*_EDGES, "image_grid_pinpoints"), EDGE),
    **dict.fromkeys(_MARKS, CONTEXT),
    "max_patches": 4_096,  # of tiles, all of whose arrangements are listed
    "min_pixels": PIXELS,
}
# Processors of transformers whose "edges" are the least and the greatest number of pixels.
_OF_PIXELS = ("Qwen2VL", "Qwen3VL", "Glm4v", "Glm46V")
_MOST_OF_PIXELS = {"shortest_edge": PIXELS, "longest_edge": math.inf}


def check_declared(content: Any, file: Path) -> None:
    """Refuse a configuration that declares more layers or larger images than any known model has.

    Args:
        content: Content of a JSON file, with mappings as lists of pairs.
        file: The file, for the error message.

    Raises:
        GoldievalError: A value is too large; names file, key and value.
    """
    for key, value, of_pixels in _numbers(content):
        limits = _MOST | _MOST_OF_PIXELS if of_pixels else _MOST
        most = limits.get(key, LAYERS if "layers" in key or "depth" in key else math.inf)
        if value > most:
            raise GoldievalError(f"{file}: {key} {value:,} exceeds the maximum of {most:,}.")


def check_context(tokens: int, file: Path) -> None:
    """Raise GoldievalError if a text tower has a longer context than any known model."""
    if tokens > CONTEXT:
        raise GoldievalError(f"{file} declares texts of {tokens:,} tokens, more than the maximum of {CONTEXT:,}.")


def check_outline(outline: Any, packed: int, file: Path) -> None:
    """Refuse a model that would take far more memory than its files have bytes.

    Args:
        outline: The module on torch's ``meta`` device, where it takes no memory.
        packed: Total size of its files in bytes.
        file: The file, for the error message.

    Raises:
        GoldievalError: The model is too large; gives both sizes.
    """
    needed = sum(part.numel() * part.element_size() for part in (*outline.parameters(), *outline.buffers()))
    if needed > FLOOR + RATIO * packed:
        raise GoldievalError(
            f"{file} has {packed:,} bytes but declares a model of {needed:,} bytes: the sizes in its config do not "
            "match its weights."
        )


def _numbers(content: Any) -> Iterator[tuple[str, float, bool]]:
    """Yield each number with the nearest key above it, and whether it is in the ``size`` of one of ``_OF_PIXELS``."""
    todo = [("", content, False)]
    while todo:
        key, value, of_pixels = todo.pop()
        if isinstance(value, list):
            counts = _counts_pixels(value)
            pairs = [each if isinstance(each, tuple) else (key, each) for each in value]
            todo += [(name, inner, of_pixels or (counts and name == "size")) for name, inner in pairs]
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield key, value, of_pixels


def _counts_pixels(pairs: list[Any]) -> bool:
    """Return whether a mapping, as a list of pairs, is the config of a processor of ``_OF_PIXELS``, and of no other."""
    kinds = [each[1] for each in pairs if isinstance(each, tuple) and each[0].endswith("_processor_type")]
    return bool(kinds) and all(str(kind).startswith(_OF_PIXELS) for kind in kinds)
