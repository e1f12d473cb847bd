"""Synthetic samples for a dry run without training data: noise as pictures, one caption, one question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.data.corpus import Bad, Extent, Ids, Sample
from goldieval.goldiclip.data.order import Order, Shuffle
from goldieval.goldiclip.data.shard_names import shards_of
from goldieval.goldiclip.recipe_data import DataSettings
from goldieval.goldiclip.tokenizer import Tokenizer

SENTENCE = "a brown dog with a red collar runs across the wide green lawn"  # about as long as DreamLIP's sentences
SENTENCES = 8
LARGER = 1.25  # side of a picture relative to the model's: web images are downscaled


@dataclass(frozen=True)
class SyntheticCorpus:
    """Samples that differ in their pixels and cost the same.

    Attributes:
        samples: Number of samples.
        size: Side of the model's images in pixels.
        tokenizer: Turns texts into token ids.
    """

    samples: int
    size: int
    tokenizer: Tokenizer

    @property
    def bad(self) -> Sequence[Bad]:
        return ()

    def __len__(self) -> int:
        return self.samples

    def order(self, seed: int) -> Order:
        return Shuffle(self.samples, seed)

    def extent(self) -> Extent:
        return Extent(len(self))

    def sample(self, row: int) -> Sample:
        side = int(self.size * LARGER)
        noise = np.random.default_rng(row).integers(0, 256, (side, side, 3), dtype=np.uint8)
        sentence = self.tokenizer.ids(SENTENCE)
        pair: tuple[Ids, Ids] = (self.tokenizer.ids("what colour is the collar?"), self.tokenizer.ids("red"))
        return Sample(Image.fromarray(noise), [sentence] * SENTENCES, [pair])


def missing_data(data: DataSettings) -> str:
    """Return one line if the data of a recipe do not exist, else an empty string; damaged data exist."""
    if data.source == "shards" and not data.is_stream:
        try:
            shards_of(data.path)
        except GoldievalError as error:
            return str(error)
    if data.source == "jsonl" and not Path(data.path).exists():
        return f"data.path: there is no file {data.path}."
    return ""
