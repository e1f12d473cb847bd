"""Made-up samples for a dry run where the training data are not there (yet): noise, words and questions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.data.corpus import Ids, Sample
from goldieval.goldiclip.data.shards import shards_of
from goldieval.goldiclip.recipe import DataSettings
from goldieval.goldiclip.tokenizer import Tokenizer

SENTENCE = "a brown dog with a red collar runs across the wide green lawn"  # about as long as DreamLIP's
SENTENCES = 8
LARGER = 1.25  # than the model sees: web pictures are shrunk


@dataclass(frozen=True)
class MadeUp:
    """As many samples as asked for, all alike in what they cost, different in their pixels.

    size: of the model's pictures.
    """

    samples: int
    size: int
    tokenizer: Tokenizer

    def __len__(self) -> int:
        return self.samples

    def order(self, generator: torch.Generator) -> torch.Tensor:
        return torch.randperm(self.samples, generator=generator)

    def sample(self, row: int) -> Sample:
        side = int(self.size * LARGER)
        noise = np.random.default_rng(row).integers(0, 256, (side, side, 3), dtype=np.uint8)
        said = self.tokenizer.ids(SENTENCE)
        asked: list[tuple[Ids, Ids]] = [(self.tokenizer.ids("what colour is the collar?"), self.tokenizer.ids("red"))]
        return Sample(Image.fromarray(noise), [said] * SENTENCES, asked)


def missing(data: DataSettings) -> str:
    """Return what is not there of a recipe's data, as a line, or nothing; damaged data are there."""
    if data.source == "shards":
        try:
            shards_of(data.path)
        except GoldievalError as error:
            return str(error)
    if data.source == "jsonl" and not Path(data.path).exists():
        return f"data.path: there is no file {data.path}."
    return ""
