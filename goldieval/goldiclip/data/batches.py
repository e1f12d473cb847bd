"""From a corpus to batches: an order that is the same for every number of processes, crops, captions, questions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import torch

from goldieval.goldiclip.data.captions import LONGEST, sample
from goldieval.goldiclip.data.crops import crops_of, random_boxes
from goldieval.goldiclip.data.shapes import Corpus
from goldieval.goldiclip.tokenizer import Tokenizer

MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)


@dataclass
class Batch:
    """One process's share of a step.

    pixels: (b, 3, side, side), cropped mildly.   whole: the same pictures uncropped, for the teacher.
    crops: (b, views, 3, small, small).   captions: (b, k, length) framed ids.   caption_ids: the same, bare.
    question, answer: (b, q, length) framed ids.
    """

    pixels: torch.Tensor
    whole: torch.Tensor
    crops: torch.Tensor
    captions: torch.Tensor
    caption_ids: list[list[list[int]]]
    question: torch.Tensor
    answer: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        moved = {
            name: value.to(device, non_blocking=True)
            for name, value in vars(self).items()
            if isinstance(value, torch.Tensor)
        }
        return Batch(**{**vars(self), **moved})


@dataclass(frozen=True)
class Views:
    """How a sample is shown.

    captions: k, of up to ``sentences`` sentences.   questions: q.   locals_: local crops of ``local_size`` pixels.
    questions_as_captions: question and answer stand in for the last caption (the ablation without a decoder).
    """

    captions: int = 4
    locals_: int = 0
    local_size: int = 32
    global_area: tuple[float, float] = (0.8, 1.0)
    local_area: tuple[float, float] = (0.1, 0.4)
    questions_as_captions: bool = False
    sentences: int = LONGEST
    questions: int = 1


class Batches:
    """An endless, seeded stream; step ``n`` is the same batch whenever and wherever it is asked for."""

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: Tokenizer,
        views: Views,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.corpus, self.tokenizer, self.views = corpus, tokenizer, views
        self.batch_size, self.seed, self.rank, self.world = batch_size, seed, rank, world
        self._join = tokenizer.ids(".")
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)

    @property
    def steps_per_epoch(self) -> int:
        return len(self.corpus) // self.batch_size

    def from_step(self, step: int) -> Iterator[Batch]:
        while True:
            yield self.at(step)
            step += 1

    def at(self, step: int) -> Batch:
        """Return this process's share of step ``step``: rows are dealt in blocks, the draws belong to the sample."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._epoch, self._order = epoch, torch.randperm(len(self.corpus), generator=generator)
        share = self.batch_size // self.world
        ours = slice(self.rank * share, (self.rank + 1) * share)
        rows = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        return self._batch(rows[ours], step * self.batch_size, ours)

    def _batch(self, rows: torch.Tensor, draw: int, ours: slice) -> Batch:
        """Boxes are drawn for the samples of all processes, so that a sample's do not depend on their number."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + draw)
        pictures = self.corpus.pictures[rows].permute(0, 3, 1, 2).float() / 255
        whole = (pictures - MEAN) / STD

        def cropped(size: int, area: tuple[float, float]) -> torch.Tensor:
            return crops_of(whole, random_boxes(self.batch_size, area, generator)[ours], size)

        pixels = cropped(whole.shape[-1], self.views.global_area)
        views = [cropped(self.views.local_size, self.views.local_area) for _ in range(self.views.locals_)]
        rngs = [Random(f"{self.seed}/{draw + place}") for place in range(ours.start, ours.stop)]
        asked = [self._asked(row, rng) for rng, row in zip(rngs, rows.tolist(), strict=True)]
        captions = [self._captions(row, rng, own[0]) for row, rng, own in zip(rows.tolist(), rngs, asked, strict=True)]
        framed = self.tokenizer.padded([caption for own in captions for caption in own])
        return Batch(
            pixels=pixels,
            whole=whole,
            crops=torch.stack(views, dim=1) if views else pixels.new_empty(len(rows), 0, 3, 1, 1),
            captions=framed.view(len(rows), self.views.captions, -1),
            caption_ids=captions,
            question=self._framed([question for own in asked for question, _ in own], len(rows)),
            answer=self._framed([answer for own in asked for _, answer in own], len(rows)),
        )

    def _asked(self, row: int, rng: Random) -> list[tuple[list[int], list[int]]]:
        return rng.sample(self.corpus.questions[row], self.views.questions)

    def _framed(self, texts: list[list[int]], rows: int) -> torch.Tensor:
        return self.tokenizer.padded(texts).view(rows, len(texts) // rows, -1)

    def _captions(self, row: int, rng: Random, asked: tuple[list[int], list[int]]) -> list[list[int]]:
        captions = sample(self.corpus.sentences[row], self.views.captions, self._join, rng, self.views.sentences)
        if self.views.questions_as_captions:
            captions[-1] = [*asked[0], *asked[1]]
        return captions
