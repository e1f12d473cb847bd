"""The golden values in ``tests/golden``: inputs, weights and outputs of the released code (see its README)."""

from __future__ import annotations

import io
import json
import lzma
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

FOLDER = Path(__file__).resolve().parents[1] / "golden"
NAMES = ("flair", "superclip", "cosmos", "segmentation")
BLOCK = 16  # torch draws normal values in blocks: radii from eight uniform values, angles from the next eight

Tensors = dict[str, torch.Tensor]


def golden(name: str) -> tuple[dict[str, Any], Tensors]:
    """Read a golden file.

    Args:
        name: One of ``NAMES``.

    Returns:
        The sizes of the model, and tensors of its own for each caller, named ``in.…``, ``weights.…`` and ``out.…``.
    """
    description, tensors = _read(name)
    return dict(description["config"]), {key: tensor.clone() for key, tensor in tensors.items()}


def described(name: str) -> dict[str, Any]:
    """Return what a golden file says of itself: ``config``, ``drawn`` and ``sums``."""
    description: dict[str, Any] = _read(name)[0]
    return description


def checksum(values: np.ndarray) -> list[float]:
    """Return the sum of the values, and of the values times their places, in float64."""
    wide = values.astype(np.float64).ravel()
    return [float(wide.sum()), float(wide @ np.arange(1, wide.size + 1) / wide.size)]


def forget() -> None:
    """Read the files anew."""
    _read.cache_clear()


@cache
def _read(name: str) -> tuple[dict[str, Any], Tensors]:
    with np.load(io.BytesIO(lzma.decompress((FOLDER / f"{name}.npz.xz").read_bytes()))) as stored:
        arrays = {key: stored[key] for key in stored.files}
    description = json.loads(arrays.pop("description").tobytes())
    streams: dict[int, np.ndarray] = {}
    for key, how in description["drawn"].items():
        arrays[key] = corrected(drawn(how, streams), arrays, key)
    return description, {key: torch.from_numpy(arrays[key]) for key in description["sums"]}


def drawn(how: dict[str, Any], streams: dict[int, np.ndarray]) -> np.ndarray:
    """Draw a tensor as torch did: an initial value plus normal noise, in float32.

    Args:
        how: ``shape``, and optionally ``start`` (kind, scale, seed, offset) and ``noise`` (scale, seed, offset).
        streams: Random numbers by seed, filled as they are needed.
    """
    size = int(np.prod(how["shape"]))
    total = np.zeros(size, np.float32)
    if "start" in how:
        kind, scale, seed, offset = how["start"]
        total += _start(kind, np.float32(scale), _uniform(streams, seed, offset, size))
    if "noise" in how:
        scale, seed, offset = how["noise"]
        total += _normal(_uniform(streams, seed, offset, size)) * np.float32(scale)
    return total.reshape(how["shape"])


def _start(kind: str, scale: np.float32, uniform: np.ndarray) -> np.ndarray:
    if kind == "constant":
        return np.full(len(uniform), scale, np.float32)
    if kind == "normal":
        return _normal(uniform) * scale
    return uniform.astype(np.float32) * (scale + scale) - scale


def _normal(uniform: np.ndarray) -> np.ndarray:
    """Return standard normal values by the method of Box and Muller, in torch's order."""
    blocks = uniform.reshape(-1, BLOCK)
    radius, angle = np.sqrt(-2 * np.log(1 - blocks[:, :8])), 2 * np.pi * blocks[:, 8:]
    pairs = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return pairs.ravel().astype(np.float32)


def _uniform(streams: dict[int, np.ndarray], seed: int, offset: int, size: int) -> np.ndarray:
    """Return torch's uniform values: 24 bits of each output of the Mersenne Twister, which NumPy has as well."""
    if len(streams.get(seed, ())) < offset + size:
        integers = np.random.RandomState(seed).randint(0, 2**32, max(1_100_000, offset + size), dtype=np.uint32)
        streams[seed] = (integers & 0xFFFFFF) / np.float64(2**24)
    return streams[seed][offset : offset + size]


def corrected(values: np.ndarray, arrays: dict[str, np.ndarray], key: str) -> np.ndarray:
    """Move each value by the stored number of units in the last place (``steps``; the large ones in ``far``)."""
    steps = arrays[f"steps.{key}"].astype(np.int32)
    places, large = arrays[f"far.{key}"]
    steps[places] = large
    return ordered(ordered(values).ravel() + steps, back=True).reshape(values.shape)


def ordered(values: np.ndarray, back: bool = False) -> np.ndarray:
    """Number float32 values in their order, so that neighbours differ by one; ``back`` undoes it."""
    integers = values.astype(np.float32).view(np.int32) if not back else values.astype(np.int32)
    flipped = np.where(integers < 0, np.int32(-(2**31)) - integers, integers).astype(np.int32)
    return flipped.view(np.float32) if back else flipped
