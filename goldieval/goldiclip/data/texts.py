"""Padded token ids of texts, with what is known about them on the host, so that encoding them never waits for a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from goldieval.models.padding import lengths


@dataclass(frozen=True)
class Texts:
    """Texts of the images of a batch.

    Framed ids begin with start-of-text, end with end-of-text and are padded with zeros up to the longest.

    Attributes:
        ids: Framed ids, shape (b, ..., length), int64.
        lengths: Number of ids of each text before its padding, shape (b, ...), int64, on the same device.
        host_lengths: The same numbers on the host, shape (b, ...).
    """

    ids: torch.Tensor
    lengths: torch.Tensor
    host_lengths: torch.Tensor

    @classmethod
    def of(cls, ids: torch.Tensor) -> Texts:
        """Return the texts whose padded ids lie on the host, shape (b, ..., length)."""
        found = lengths(ids.flatten(0, -2)).view(ids.shape[:-1])
        return cls(ids, found, found)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def flat(self) -> torch.Tensor:
        """All texts as rows, shape (texts, length)."""
        return self.ids.flatten(0, -2)

    def at(self, place: int) -> Texts:
        """Return one text of each image, cut to the longest of them: ids of shape (b, ..., length)."""
        host = self.host_lengths[:, place]
        longest = int(host.max()) if host.numel() else 0
        return Texts(self.ids[:, place, ..., :longest], self.lengths[:, place], host)

    def rows(self, start: int, stop: int) -> Texts:
        """Return the texts of some images."""
        return Texts(self.ids[start:stop], self.lengths[start:stop], self.host_lengths[start:stop])

    def order(self) -> torch.Tensor:
        """Return the texts' rows from the shortest to the longest, shape (texts,), on the device of the ids."""
        return self.lengths.flatten().argsort(stable=True)

    def groups(self, count: int) -> Iterator[tuple[slice, int]]:
        """Yield groups of similar length, without those that are empty.

        Args:
            count: Largest number of groups.

        Yields:
            Places in ``order()``, and the length of the longest text there.
        """
        start = 0
        for own in self.host_lengths.flatten().sort().values.tensor_split(count):
            if len(own):
                yield slice(start, start + len(own)), int(own[-1])
            start += len(own)

    def mapped(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Texts:
        """Change the tensors that belong on the device."""
        return Texts(change(self.ids), change(self.lengths), self.host_lengths)
