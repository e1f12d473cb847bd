"""What a batch asks of a source of training data, and how a source says that a sample is bad."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from PIL import Image

Ids = list[int]


@dataclass(frozen=True)
class Bad:
    """Why a sample, or a part of it, was left out.

    where: file and key or line.   kind: few and fixed, to be counted.   what: the rest of the line.
    """

    where: str
    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.kind}{f': {self.what}' if self.what else ''}"


class BadSampleError(Exception):
    """A sample that cannot be trained on; another one takes its place."""

    def __init__(self, where: str, kind: str, what: str = "") -> None:
        line = " ".join(what.split())[:200]
        super().__init__(where, kind, line)
        self.bad = Bad(where, kind, line)


@dataclass
class Sample:
    """One picture with what is said and asked of it, as token ids.

    picture: a decoded RGB picture of any size, or uint8 (side, side, 3) where all pictures have the model's size.
    sentences: one or more.   questions: (question, answer) pairs, maybe none.   bad: parts that were left out.
    foils: each a true caption followed by false ones, maybe none.
    """

    picture: Image.Image | torch.Tensor
    sentences: Sequence[Ids]
    questions: Sequence[tuple[Ids, Ids]]
    bad: list[Bad] = field(default_factory=list)
    foils: Sequence[Sequence[Ids]] = ()


class Corpus(Protocol):
    """A finite number of samples, read at random access."""

    def __len__(self) -> int: ...

    def order(self, generator: torch.Generator) -> torch.Tensor:
        """Return all rows in the order of an epoch, drawn from ``generator``."""

    def sample(self, row: int) -> Sample:
        """Read one sample. Raises BadSampleError."""
