"""Foregrounds of the drawn training scenes, kept beside their pictures only where a recipe redraws backgrounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from goldieval.data.shapes import EVERY_BACKGROUND, opacity
from goldieval.goldiclip.data.corpus import Foreground
from goldieval.goldiclip.data.shapes_cache import MAX_BYTES, cached_parts, foregrounds_file
from goldieval.goldiclip.data.training_scenes import in_chunks, training_scene


@dataclass(frozen=True)
class Foregrounds:
    """Foregrounds of n scenes.

    Attributes:
        opacities: Shape (n, side, side), uint8.
        backgrounds: Places in ``EVERY_BACKGROUND``, shape (n,), uint8.
    """

    opacities: torch.Tensor
    backgrounds: torch.Tensor

    def __getitem__(self, row: int) -> Foreground:
        return Foreground(self.opacities[row], int(self.backgrounds[row]))


def foregrounds_of(scenes: range, resolution: int, note: Callable[[str], None] = lambda line: None) -> Foregrounds:
    """Return the foregrounds of training scenes; they are drawn once and then read from the cache folder.

    Args:
        scenes: Indices of the scenes, consecutive.
        resolution: Side of a picture in pixels.
        note: Called with a line where drawing takes a while.
    """
    draw = partial(_drawn, scenes, resolution, note)
    if len(scenes) * resolution**2 > MAX_BYTES:
        return Foregrounds(**draw())
    return Foregrounds(**cached_parts(foregrounds_file(len(scenes), resolution, scenes.start), draw))


def _drawn(scenes: range, resolution: int, note: Callable[[str], None]) -> dict[str, torch.Tensor]:
    opacities = np.empty((len(scenes), resolution, resolution), dtype=np.uint8)
    backgrounds = np.empty(len(scenes), dtype=np.uint8)
    start = 0
    work = partial(_chunk, resolution=resolution)
    for own, numbers in in_chunks(work, scenes, f"the foregrounds of {len(scenes):,} scenes", note):
        rows = slice(start, start := start + len(numbers))
        opacities[rows], backgrounds[rows] = own, numbers
    return {"opacities": torch.from_numpy(opacities), "backgrounds": torch.from_numpy(backgrounds)}


def _chunk(indices: range, resolution: int) -> tuple[np.ndarray, list[int]]:
    scenes = [training_scene(index) for index in indices]
    opacities = np.stack([opacity(scene, resolution) for scene in scenes])
    return opacities, [EVERY_BACKGROUND.index(scene.background) for scene in scenes]
