"""The interface of a source of training data, and how it reports that a sample is bad."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from PIL import Image

from goldieval.goldiclip.data.order import Order

Ids = list[int]
BROKEN_SHARD = "unreadable shard"


@dataclass(frozen=True)
class Bad:
    """Why a sample, or a part of it, was left out.

    Attributes:
        where: File, and key or line.
        kind: Reason, one of a few, so that they can be counted.
        what: Details.
    """

    where: str
    kind: str
    what: str

    @property
    def is_shard(self) -> bool:
        """Whether it stands for all samples of a shard."""
        return self.kind == BROKEN_SHARD

    def __str__(self) -> str:
        return f"{self.where}: {self.kind}{f': {self.what}' if self.what else ''}"


class BadSampleError(Exception):
    """A sample cannot be trained on; another one replaces it."""

    def __init__(self, where: str, kind: str, what: str = "") -> None:
        line = " ".join(what.split())[:200]
        super().__init__(where, kind, line)
        self.bad = Bad(where, kind, line)


@dataclass(frozen=True)
class Extent:
    """What the data of one process have in common with those of the others, wherever they lie.

    Attributes:
        samples: Number of samples.
        shards: Number of shards; 0 for data that are none.
        unreadable: Number of shards that cannot be read.
        digest: Hash of what names or divides the samples, without secrets.
    """

    samples: int
    shards: int = 0
    unreadable: int = field(default=0, compare=False)
    digest: str = ""

    def __str__(self) -> str:
        shards = f" in {self.shards:,} shard{'' if self.shards == 1 else 's'}" if self.shards else ""
        unreadable = f", of which {self.unreadable:,} cannot be read" if self.unreadable else ""
        return f"{self.samples:,} samples{shards}{unreadable}"


@dataclass(frozen=True)
class Foreground:
    """What a drawn picture shows in front of its background, so that it can be shown on another one.

    Attributes:
        opacity: How much of a pixel is covered, from 0 to 255, shape (side, side), uint8.
        background: The picture's own background, a place in ``EVERY_BACKGROUND``.
    """

    opacity: torch.Tensor
    background: int


@dataclass
class Sample:
    """One picture with its texts as token ids.

    Attributes:
        picture: RGB picture of any size, or uint8 (side, side, 3) where all pictures have the model's size.
        sentences: Sentences that captions are drawn from, at least one.
        questions: Pairs of a question and its answer.
        bad: Parts that were left out.
        foils: Groups of a true caption followed by false ones.
        foreground: What a drawn picture shows in front of its background, where it was asked for.
    """

    picture: Image.Image | torch.Tensor
    sentences: Sequence[Ids]
    questions: Sequence[tuple[Ids, Ids]]
    bad: list[Bad] = field(default_factory=list)
    foils: Sequence[Sequence[Ids]] = ()
    foreground: Foreground | None = None


class Corpus(Protocol):
    """A finite number of samples with random access.

    Attributes:
        bad: What could not be read when the corpus was opened.
    """

    @property
    def bad(self) -> Sequence[Bad]: ...

    def __len__(self) -> int: ...

    def order(self, seed: int) -> Order:
        """Return the order of an epoch."""

    def extent(self) -> Extent:
        """Return what all processes of a training must have in common."""

    def sample(self, row: int) -> Sample:
        """Read one sample.

        Raises:
            BadSampleError: It cannot be used.
        """
