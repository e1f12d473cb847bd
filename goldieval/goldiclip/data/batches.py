"""From a corpus to batches: an order that is the same for every number of processes, crops, captions, questions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from random import Random
from typing import Literal

import torch

from goldieval.core.containment import error_line
from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.data.bad_samples import MOST_BAD_SAMPLES, TooManyBadError
from goldieval.goldiclip.data.captions import LONGEST, QuestionsAsCaptions, sample
from goldieval.goldiclip.data.corpus import Bad, BadSampleError, Corpus, Ids, Sample
from goldieval.goldiclip.data.crops import random_boxes
from goldieval.goldiclip.data.pictures import Cuts, shown
from goldieval.goldiclip.tokenizer import Tokenizer


@dataclass
class Batch:
    """One process's share of a step.

    pixels: (b, 3, side, side), cropped mildly.   whole: the same pictures uncropped, for the teacher.
    crops: (b, views, 3, small, small).   others: (b, others, 3, side, side), like pixels.
    captions: (b, k, length) framed ids.   caption_ids: the same, bare.
    foils: (b, groups, candidates, length) framed ids, the true caption first.   foiled: which are real, likewise.
    said: of each picture the texts whose tokens it is to be classified by, see ``Views``.
    question, answer: (b, q, length) framed ids; where a picture has fewer questions an answer that has ended
    before it began, which leaves nothing to predict.
    asked: whether any of ours has a question.   bad: what was left out.
    """

    pixels: torch.Tensor
    whole: torch.Tensor
    crops: torch.Tensor
    others: torch.Tensor
    captions: torch.Tensor
    caption_ids: list[list[Ids]]
    said: list[list[Ids]]
    question: torch.Tensor
    answer: torch.Tensor
    foils: torch.Tensor
    foiled: torch.Tensor
    asked: bool = True
    bad: list[Bad] = field(default_factory=list)

    def to(self, device: torch.device) -> Batch:
        return self._moved(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        return self._moved(torch.Tensor.pin_memory)

    def _moved(self, move: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        moved = {name: move(value) for name, value in vars(self).items() if isinstance(value, torch.Tensor)}
        return Batch(**{**vars(self), **moved})


@dataclass(frozen=True)
class Views:
    """How a sample is shown.

    captions: k, of up to ``sentences`` sentences, the last ``single_sentences`` of one.   questions: q.
    locals_: local crops of ``local_size`` pixels.   globals_: crops of the model's size.
    questions_as_captions: questions stand in for the last ``question_captions`` captions, with their answers (the
        ablation without a decoder), or with or without them by the throw of a coin.
    size: of pixels and whole, where the corpus does not hold pictures of the model's size.
    foils: so many groups of a true caption with its false ones.
    token_targets: token classes are those of the captions that were drawn, or of all that is said of the image.
    """

    captions: int = 4
    locals_: int = 0
    local_size: int = 32
    global_area: tuple[float, float] = (0.8, 1.0)
    local_area: tuple[float, float] = (0.1, 0.4)
    questions_as_captions: QuestionsAsCaptions = "no"
    question_captions: int = 1
    sentences: int = LONGEST
    questions: int = 1
    size: int = 64
    token_targets: Literal["captions", "image"] = "captions"
    foils: int = 0
    globals_: int = 1
    single_sentences: int = 0


class Batches:
    """An endless, seeded stream; step ``n`` is the same batch whenever and wherever it is asked for.

    most_bad: so many bad samples a batch may meet before it gives up.

    Raises:
        GoldievalError: the corpus is smaller than a batch, or a batch cannot be shared among the processes.
    """

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: Tokenizer,
        views: Views,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        most_bad: int = MOST_BAD_SAMPLES,
    ) -> None:
        if batch_size > len(corpus):
            raise GoldievalError(
                f"optimiser.batch_size {batch_size:,} exceeds the {len(corpus):,} samples of the training data."
            )
        if batch_size % world:
            raise GoldievalError(f"optimiser.batch_size {batch_size:,} cannot be shared among {world} processes.")
        self.corpus, self.tokenizer, self.views = corpus, tokenizer, views
        self.batch_size, self.seed, self.rank, self.world = batch_size, seed, rank, world
        self.most_bad = most_bad
        self._join = tokenizer.ids(".")
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)
        self._unusable: dict[int, Bad] = {}

    @property
    def steps_per_epoch(self) -> int:
        return len(self.corpus) // self.batch_size

    def from_step(self, step: int) -> Iterator[Batch]:
        while True:
            yield self.at(step)
            step += 1

    def at(self, step: int) -> Batch:
        """Return this process's share of step ``step``: rows are dealt in blocks, the draws belong to the sample.

        Raises:
            TooManyBadError: more than ``most_bad`` samples were in the way.
        """
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._epoch, self._order = epoch, self.corpus.order(generator)
        share = self.batch_size // self.world
        ours = slice(self.rank * share, (self.rank + 1) * share)
        bad: list[Bad] = []
        samples = [self._usable(place * self.batch_size + slot, bad) for slot in range(ours.start, ours.stop)]
        return self._batch(samples, step * self.batch_size, ours, bad)

    def _usable(self, place: int, bad: list[Bad]) -> Sample:
        """Return the sample at a place of the epoch's order; if it is bad, the first good one from a batch later on.

        A batch later, because the very next one is in this batch already, and would be its own negative.
        """
        count, later = len(self._order), place + self.batch_size
        for candidate in chain([place], range(later, later + min(count, self.most_bad + 1))):
            row = int(self._order[candidate % count])
            try:
                if row not in self._unusable:
                    chosen = self.corpus.sample(row)
                    bad += chosen.bad
                    return chosen
            except BadSampleError as error:
                self._unusable[row] = error.bad
            except Exception as error:  # what no corpus foresaw; too many of them end the run as any others do
                self._unusable[row] = BadSampleError(f"sample {row}", "cannot be used", error_line(error)).bad
            bad.append(self._unusable[row])
        raise TooManyBadError(bad)

    def _batch(self, samples: list[Sample], draw: int, ours: slice, bad: list[Bad]) -> Batch:
        cuts = self._cuts(draw, ours)
        pictures = shown([own.picture for own in samples], cuts, self.views.size, self.views.local_size)
        rngs = [Random(f"{self.seed}/{draw + place}") for place in range(ours.start, ours.stop)]
        asked = [self._asked(own, rng) for own, rng in zip(samples, rngs, strict=True)]
        captions = [self._captions(own, rng, pairs) for own, rng, pairs in zip(samples, rngs, asked, strict=True)]
        framed = self.tokenizer.padded([caption for own in captions for caption in own])
        question, answer = self._questions(asked)
        return Batch(
            pixels=pictures.mild,
            whole=pictures.whole,
            crops=pictures.views,
            others=pictures.others,
            captions=framed.view(len(samples), self.views.captions, -1),
            caption_ids=captions,
            said=[list(own.sentences) for own in samples] if self.views.token_targets == "image" else captions,
            question=question,
            answer=answer,
            **self._foils([own.foils for own in samples], rngs),
            asked=any(asked),
            bad=bad,
        )

    def _cuts(self, draw: int, ours: slice) -> Cuts:
        """Boxes are drawn for the samples of all processes, so that a sample's do not depend on their number."""
        generator, views = torch.Generator().manual_seed(self.seed * 1_000_003 + draw), self.views
        mild = random_boxes(self.batch_size, views.global_area, generator)[ours]
        local = [random_boxes(self.batch_size, views.local_area, generator)[ours] for _ in range(views.locals_)]
        place = torch.rand(self.batch_size, generator=generator)[ours]
        others = [random_boxes(self.batch_size, views.global_area, generator)[ours] for _ in range(1, views.globals_)]
        return Cuts(place, mild, local, others)

    def _asked(self, own: Sample, rng: Random) -> list[tuple[Ids, Ids]]:
        count = len(own.questions)
        return [own.questions[place] for place in rng.sample(range(count), min(self.views.questions, count))]

    def _questions(self, asked: list[list[tuple[Ids, Ids]]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return framed questions and answers, each (b, q, length), filled up with rows that ask nothing."""
        count = self.views.questions
        pairs = [pair for own in asked for pair in [*own, *[([], [])] * (count - len(own))]]
        question, answer = (self.tokenizer.padded([pair[side] for pair in pairs]) for side in (0, 1))
        filled = torch.tensor([place >= len(own) for own in asked for place in range(count)])
        ended = torch.zeros_like(answer[0])
        ended[:2] = self.tokenizer.eot_token_id  # twice: a batch of such rows still has a position to decode
        answer[filled] = ended
        return question.view(len(asked), count, -1), answer.view(len(asked), count, -1)

    def _foils(self, all_foils: list[Sequence[Sequence[Ids]]], rngs: list[Random]) -> dict[str, torch.Tensor]:
        """Draw groups; drawn last, so that nothing else depends on whether foils are wanted."""
        most = max(1, self.views.foils)
        drawn = [
            rng.sample(foils, min(self.views.foils, len(foils))) for foils, rng in zip(all_foils, rngs, strict=True)
        ]
        groups: list[Sequence[Ids]] = [group for own in drawn for group in [*own, *[[]] * (most - len(own))]]
        longest = max(1, *map(len, groups))
        framed = self.tokenizer.padded([text for own in groups for text in [*own, *[[]] * (longest - len(own))]])
        counts = torch.tensor([len(own) for own in groups]).view(len(rngs), most, 1)
        return {"foils": framed.view(len(rngs), most, longest, -1), "foiled": torch.arange(longest) < counts}

    def _captions(self, own: Sample, rng: Random, asked: list[tuple[Ids, Ids]]) -> list[Ids]:
        single = self.views.single_sentences
        captions = sample(own.sentences, self.views.captions - single, self._join, rng, self.views.sentences)
        captions += sample(own.sentences, single, self._join, rng, 1)
        if self.views.questions_as_captions != "no":
            for place, (question, answer) in enumerate(asked[: self.views.question_captions], start=1):
                bare = self.views.questions_as_captions == "either" and rng.random() < 0.5
                captions[-place] = [*question, *([] if bare else answer)]
        return captions
