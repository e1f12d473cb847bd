"""From samples to a batch: crops, captions and questions are drawn, texts are framed."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import torch
import torch.nn.functional as F

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.data.captions import sample_captions
from goldieval.goldiclip.data.corpus import Bad, Ids, Sample
from goldieval.goldiclip.data.crops import random_boxes
from goldieval.goldiclip.data.draws import JITTER, REDRAWING, drawn_bytes, uniform_draws
from goldieval.goldiclip.data.jitter import CHANGES, colour_maps
from goldieval.goldiclip.data.pictures import CropBoxes, crop_pictures
from goldieval.goldiclip.data.redrawing import Redrawing
from goldieval.goldiclip.data.texts import Texts
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.tokenizer import Tokenizer


class BatchMaker:
    """Makes one process's share of batches. What is drawn depends on the seed, the step and the place in the batch.

    Attributes:
        batch_size: Samples of a batch, over all processes.
        places: Places in the batch that belong to this process.

    Raises:
        GoldievalError: The corpus is smaller than a batch, or a batch cannot be shared among the processes.
    """

    def __init__(self, samples: int, tokenizer: Tokenizer, recipe: Recipe, rank: int, world: int) -> None:
        """Prepare to make batches.

        Args:
            samples: Number of samples of the corpus.
            tokenizer: Frames and pads token ids.
            recipe: How samples are shown (``data``), the size of a batch and the seed.
            rank: This process.
            world: Number of processes.
        """
        batch_size = recipe.optimiser.batch_size
        if batch_size > samples:
            raise GoldievalError(
                f"optimiser.batch_size {batch_size:,} exceeds the {samples:,} samples of the training data."
            )
        if batch_size % world:
            raise GoldievalError(f"optimiser.batch_size {batch_size:,} cannot be shared among {world} processes.")
        share = batch_size // world
        self.batch_size, self.places = batch_size, range(rank * share, (rank + 1) * share)
        self.tokenizer, self.data, self.seed = tokenizer, recipe.data, recipe.seed
        self.image_size, self.foil_groups = recipe.model.image_size, recipe.data.foils if recipe.uses_foils else 0
        self.draws_captions, self.classifies = recipe.draws_captions, "token_classes" in recipe.objectives
        self._full_stop = tokenizer.ids(".")

    def batch(self, samples: Sequence[Sample], step: int, bad: list[Bad]) -> Batch:
        """Crop, draw and frame the samples of this process's places in the batch of a step.

        Args:
            samples: One for each place.
            step: Number of steps before this one.
            bad: What was left out.
        """
        ours = self.places
        boxes = self._boxes(step * self.batch_size, ours)
        rngs = [Random(f"{self.seed}/{step * self.batch_size + place}") for place in ours]
        pairs = [self._draw_questions(sample, rng) for sample, rng in zip(samples, rngs, strict=True)]
        captions = [self._draw_captions(*drawn) for drawn in zip(samples, rngs, pairs, strict=True)]
        framed = self.tokenizer.padded([caption for own in captions for caption in own])
        question, answer = self._framed_questions(pairs)
        foils, is_candidate = self._framed_foils([sample.foils for sample in samples], rngs)
        token_ids, token_rows, token_starts = self._token_targets(samples, captions)
        sizes = self.image_size, self.data.local_size
        changes = self._redrawing(samples, step), self._jitter(step)
        return Batch(
            images=crop_pictures([sample.picture for sample in samples], boxes, *sizes, *changes),
            captions=Texts.of(framed.view(len(samples), self.data.captions, -1)),
            question=Texts.of(question),
            answer=Texts.of(answer),
            foils=Texts.of(foils),
            is_candidate=is_candidate,
            token_ids=token_ids,
            token_rows=token_rows,
            token_starts=token_starts,
            draws=self._draws(step, ours),
            has_questions=any(pairs),
            has_foils=bool(is_candidate.any()),
            bad=bad,
        )

    def _draws(self, step: int, ours: range) -> torch.Tensor:
        if not self.draws_captions:
            return torch.empty(len(ours), 0, dtype=torch.uint8)
        return torch.from_numpy(drawn_bytes(self.batch_size, self.seed, step, ours))

    def _token_targets(self, samples: Sequence[Sample], captions: list[list[Ids]]) -> tuple[torch.Tensor, ...]:
        """Return ``token_ids``, ``token_rows`` and ``token_starts`` of a batch."""
        texts: Sequence[Sequence[Ids]] = captions
        if self.data.token_targets == "image":
            texts = [sample.sentences for sample in samples]
        if not self.classifies:
            texts = [[] for _ in samples]
        special = set(self.tokenizer.all_special_ids)
        found = [sorted({id for text in own for id in text} - special) for own in texts]
        counts = torch.tensor([len(own) for own in found])
        ids = torch.tensor([id for own in found for id in own], dtype=torch.long)
        return ids, torch.arange(len(found)).repeat_interleave(counts), F.pad(counts.cumsum(0), (1, 0))

    def _boxes(self, first_draw: int, places: range) -> CropBoxes:
        """Draw boxes for the samples of all processes, so that a sample's do not depend on their number.

        first_draw: samples drawn in the steps before, which numbers the random draws.
        """
        ours = slice(places.start, places.stop)
        generator, data = torch.Generator().manual_seed(self.seed * 1_000_003 + first_draw), self.data
        first = random_boxes(self.batch_size, data.global_area, generator)[ours]
        local = [random_boxes(self.batch_size, data.local_area, generator)[ours] for _ in range(data.locals)]
        for own in local[data.locals - data.whole_views :]:
            own[:] = torch.tensor([0.0, 0.0, 1.0, 1.0])  # drawn all the same: the draws below do not depend on it
        place = torch.rand(self.batch_size, generator=generator)[ours]
        others = [random_boxes(self.batch_size, data.global_area, generator)[ours] for _ in range(1, data.globals)]
        return CropBoxes(place, first, local, others)

    def _redrawing(self, samples: Sequence[Sample], step: int) -> Redrawing | None:
        """Choose the backgrounds of local crops.

        Raises:
            GoldievalError: A sample's background cannot be exchanged.
        """
        if not self.data.redraw:
            return None
        foregrounds = [sample.foreground for sample in samples if sample.foreground is not None]
        if len(foregrounds) < len(samples):
            raise GoldievalError("data.redraw needs scenes that were opened with shapes_corpus(…, foregrounds=True).")
        drawn = uniform_draws(REDRAWING, self.seed, step, self.places, (self.data.locals, 2))
        return Redrawing.drawn(foregrounds, self.data.redraw, drawn)

    def _jitter(self, step: int) -> torch.Tensor | None:
        if not self.data.jitter:
            return None
        drawn = uniform_draws(JITTER, self.seed, step, self.places, (self.data.locals, CHANGES))
        return colour_maps(self.data.jitter, drawn)

    def _draw_questions(self, sample: Sample, rng: Random) -> list[tuple[Ids, Ids]]:
        count = len(sample.questions)
        return [sample.questions[place] for place in rng.sample(range(count), min(self.data.questions, count))]

    def _draw_captions(self, sample: Sample, rng: Random, pairs: list[tuple[Ids, Ids]]) -> list[Ids]:
        """Draw captions; with ``data.questions_as_captions``, questions take the places of the last ones."""
        data = self.data
        several = data.captions - data.single_sentences
        captions = sample_captions(sample.sentences, several, self._full_stop, rng, data.sentences)
        captions += sample_captions(sample.sentences, data.single_sentences, self._full_stop, rng, 1)
        if data.questions_as_captions != "no":
            for place, (question, answer) in enumerate(pairs[: data.question_captions], start=1):
                without_answer = data.questions_as_captions == "either" and rng.random() < 0.5
                captions[-place] = [*question, *([] if without_answer else answer)]
        return captions

    def _framed_questions(self, drawn: list[list[tuple[Ids, Ids]]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return framed questions and answers, each of shape (b, q, length), filled up as ``Batch`` says."""
        count = self.data.questions
        pairs = [pair for own in drawn for pair in [*own, *[([], [])] * (count - len(own))]]
        question, answer = (self.tokenizer.padded([pair[side] for pair in pairs]) for side in (0, 1))
        filled = torch.tensor([place >= len(own) for own in drawn for place in range(count)])
        no_answer = torch.zeros_like(answer[0])
        no_answer[:2] = self.tokenizer.eot_token_id  # twice: a batch of such rows still has a position to decode
        answer[filled] = no_answer
        return question.view(len(drawn), count, -1), answer.view(len(drawn), count, -1)

    def _framed_foils(
        self, all_foils: list[Sequence[Sequence[Ids]]], rngs: list[Random]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw and frame groups of foils; they are drawn last, so that nothing else depends on whether there are any.

        Returns:
            ``foils`` and ``is_candidate`` of a batch.
        """
        most = max(1, self.foil_groups)
        drawn = [
            rng.sample(foils, min(self.foil_groups, len(foils))) for foils, rng in zip(all_foils, rngs, strict=True)
        ]
        groups: list[Sequence[Ids]] = [group for own in drawn for group in [*own, *[[]] * (most - len(own))]]
        longest = max(1, *map(len, groups))
        framed = self.tokenizer.padded([text for own in groups for text in [*own, *[[]] * (longest - len(own))]])
        counts = torch.tensor([len(own) for own in groups]).view(len(rngs), most, 1)
        return framed.view(len(rngs), most, longest, -1), torch.arange(longest) < counts
