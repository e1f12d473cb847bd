"""Patch tokens of images in blocks that the processes of a run divide among them; tokens are never gathered.

Blocks do not depend on the number of processes, tiles are formed inside a block, and results are merged in the order of
blocks. Therefore the results are the same to the last bit for any number of processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TypeVar

import torch

from goldieval.core.group import Alone, Group
from goldieval.core.transfers import uploaded_ahead
from goldieval.core.units import thread_count, units

IMAGES = 64  # of a block, where nothing else determines it
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class PatchBlocks:
    """Patch tokens of the images of a task. Every process of the group has the same ``sizes``.

    Attributes:
        sizes: number of images of each block; it may be 0.
        own: patch tokens of the blocks of this process by number of the block, each (images, patches, dim), on the host
            or on the device; ``on_device`` copies one block after the other, so that a device need not hold them all.
        device: device on which scores are computed.
        group: the processes.
        workers: number of threads that compute a tile each; None if a tile may use all threads, see ``core.units``.
    """

    sizes: Sequence[int]
    own: Mapping[int, torch.Tensor]
    device: torch.device
    group: Group = field(default_factory=Alone)
    workers: int | None = 1

    @staticmethod
    def of(patches: torch.Tensor, size: int = IMAGES) -> PatchBlocks:
        """Return the blocks of tokens, (images, patches, dim), that are all in this process."""
        own = dict(enumerate(torch.split(patches, size)))
        return PatchBlocks([len(part) for part in own.values()], own, patches.device, workers=thread_count())

    def __len__(self) -> int:
        """Return the number of images of all processes."""
        return sum(self.sizes)

    @property
    def starts(self) -> list[int]:
        """Index of the first image of each block, and at the end the number of images."""
        return list(accumulate(self.sizes, initial=0))

    def images(self, number: int) -> range:
        """Return the indices of the images of a block."""
        return range(self.starts[number], self.starts[number + 1])

    @property
    def own_images(self) -> int:
        """Number of images of this process."""
        return sum(len(patches) for patches in self.own.values())

    def block_of(self, images: torch.Tensor) -> torch.Tensor:
        """Return the number of the block of each image, of the same shape as ``images``, on the CPU."""
        return torch.repeat_interleave(torch.arange(len(self.sizes)), torch.tensor(self.sizes))[images.cpu()]

    def among(self, images: torch.Tensor) -> PatchBlocks:
        """Return the blocks without all images but some, given as indices, ascending, shape (n,); one may be empty."""
        images, owner = images.cpu(), self.block_of(images)
        rows = [images[owner == number] - start for number, start in enumerate(self.starts[:-1])]
        left = ((number, patches) for number, patches in self.own.items() if len(rows[number]))
        own = {number: patches[rows[number].to(patches.device)] for number, patches in left}
        return replace(self, sizes=[len(each) for each in rows], own=own)

    def each(self, function: Callable[[Item], Result], tiles: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
        """Compute the tiles of this process; see ``core.units.units``."""

        def compute(tile: Item) -> Result:
            with torch.no_grad():
                return function(tile)

        return units(compute, tiles, str(self.device), self.workers)

    def on_device(self) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield number and patch tokens of each block of this process, on the device."""
        return uploaded_ahead(self.own.items(), self.device)

    @property
    def apart(self) -> bool:
        """Whether results must be on the host, because other processes need them."""
        return self.group.size > 1

    def gathered(self, own: Mapping[int, Result]) -> list[Result]:
        """Return the results of all blocks of all processes in the order of blocks, in every process.

        Args:
            own: results of this process by number of the block; on the host if there are other processes.
        """
        found = {number: result for part in self.group.all_gather(dict(own)) for number, result in part.items()}
        return [found[number] for number in sorted(found)]
