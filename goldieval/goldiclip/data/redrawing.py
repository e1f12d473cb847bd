"""Drawn pictures on other backgrounds than their own: computed for a whole batch, where the model is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt
import torch

from goldieval.data.shapes import EVERY_BACKGROUND, empty_picture
from goldieval.goldiclip.data.corpus import Foreground
from goldieval.goldiclip.data.normalisation import normalised


@dataclass(frozen=True)
class Redrawing:
    """What the local crops of b drawn pictures need to show other backgrounds.

    Attributes:
        empty: Every background without objects, shape (backgrounds, side, side, 3), uint8.
        opacity: How much of a pixel the objects cover, from 0 to 255, shape (b, side, side), uint8.
        own: Each picture's own background, shape (b,), int64.
        shown: Background of each local crop, shape (b, locals), int64.
    """

    empty: torch.Tensor
    opacity: torch.Tensor
    own: torch.Tensor
    shown: torch.Tensor

    @classmethod
    def drawn(cls, foregrounds: Sequence[Foreground], share: float, uniform: npt.NDArray[np.float64]) -> Redrawing:
        """Choose the backgrounds of local crops.

        Args:
            foregrounds: Of each picture.
            share: Share of the crops that show another background than the picture's own, any of them alike.
            uniform: Two random numbers from 0 to 1 for each crop, shape (b, locals, 2).
        """
        own = torch.tensor([foreground.background for foreground in foregrounds])
        chance, choice = torch.from_numpy(uniform).unbind(-1)
        others = len(EVERY_BACKGROUND) - 1
        steps = torch.where(chance < share, 1 + (choice * others).long(), 0)  # from a background to another one
        opacity = torch.stack([foreground.opacity for foreground in foregrounds])
        return cls(_empty(opacity.shape[-1]), opacity, own, (own[:, None] + steps) % len(EVERY_BACKGROUND))

    def pictures(self, whole: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the pictures as each local crop in turn shows them.

        Args:
            whole: The pictures as they are, normalised, shape (b, 3, side, side).
        """
        empty = normalised(self.empty)
        uncovered = 1 - self.opacity[:, None].float() / 255
        for shown in self.shown.unbind(1):
            yield torch.addcmul(whole, empty[shown] - empty[self.own], uncovered)

    def rows(self, start: int, stop: int) -> Redrawing:
        """Return the part that belongs to some of the pictures."""
        rows = slice(start, stop)
        return replace(self, opacity=self.opacity[rows], own=self.own[rows], shown=self.shown[rows])

    def mapped(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Redrawing:
        """Change the tensors."""
        return Redrawing(*map(change, (self.empty, self.opacity, self.own, self.shown)))


@cache
def _empty(side: int) -> torch.Tensor:
    """Return every background without objects, as bytes on the host."""
    pictures = [np.asarray(empty_picture(background, side)) for background in EVERY_BACKGROUND]
    return torch.from_numpy(np.stack(pictures))
