"""Sizes that a model's files declare, held against the bytes that they have: a few kB may not ask for all memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError

LAYERS = 1_000
EDGE = 8_192  # pixels of a picture's side
CONTEXT = 16_384  # tokens of a text; masks have the square of it
FLOOR, RATIO = 10**9, 8  # bytes: a model may take this much memory, and this many times the size of its files
_EDGES = frozenset({"size", "crop_size", "pad_size", "image_size", "height", "width", "shortest_edge"})


def check_declared(content: Any, file: Path) -> None:
    """Refuse a config that asks for more layers or larger pictures than any model has.

    Args:
        content: of a JSON file, mappings as lists of pairs.

    Raises:
        GoldievalError: with file, key and value.
    """
    for key, value in _numbers(content):
        most = EDGE if key in _EDGES else LAYERS if "layers" in key or "depth" in key else math.inf
        if value > most:
            raise GoldievalError(f"{file}: {key} {value:,} is more than the {most:,} that are taken.")


def check_context(tokens: int, file: Path) -> None:
    """Refuse a text tower of more tokens than any has. Raises GoldievalError."""
    if tokens > CONTEXT:
        raise GoldievalError(f"{file} declares texts of {tokens:,} tokens, more than the {CONTEXT:,} that are taken.")


def check_outline(outline: Any, packed: int, file: Path) -> None:
    """Refuse a model that would take far more memory than its files have bytes.

    Args:
        outline: the module on torch's device ``meta``, which takes no memory.   packed: bytes of its files.

    Raises:
        GoldievalError: with both numbers.
    """
    needed = sum(part.numel() * part.element_size() for part in (*outline.parameters(), *outline.buffers()))
    if needed > FLOOR + RATIO * packed:
        raise GoldievalError(
            f"{file} has {packed:,} bytes and declares a model of {needed:,}: the sizes in its config are not those of "
            "its weights."
        )


def _numbers(content: Any) -> Iterator[tuple[str, float]]:
    """Yield each number with the nearest key above it."""
    todo = [("", content)]
    while todo:
        key, value = todo.pop()
        if isinstance(value, list):
            todo += [each if isinstance(each, tuple) else (key, each) for each in value]
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield key, value
