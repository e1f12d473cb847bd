"""From a corpus to batches, in an order that is the same for every number of processes and workers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from goldieval.core.containment import error_line
from goldieval.goldiclip.data.bad_samples import MAX_BAD_SAMPLES, TooManyBadError
from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.data.batch_maker import BatchMaker
from goldieval.goldiclip.data.corpus import Bad, BadSampleError, Corpus, Sample
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.tokenizer import Tokenizer


class Batches:
    """The batches of a run: that of a step is the same whenever, and in whichever process, it is asked for.

    Raises:
        GoldievalError: The corpus is smaller than a batch, or a batch cannot be shared among the processes.
    """

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: Tokenizer,
        recipe: Recipe,
        rank: int = 0,
        world: int = 1,
        max_bad_samples: int = MAX_BAD_SAMPLES,
    ) -> None:
        """Make the batches of one process.

        Args:
            corpus: Training data.
            tokenizer: Frames and pads token ids.
            recipe: How samples are shown (``data``), the size of a batch and the seed.
            rank: This process.
            world: Number of processes.
            max_bad_samples: Bad samples that a batch may meet before it gives up.
        """
        self.corpus, self.seed, self.max_bad_samples = corpus, recipe.seed, max_bad_samples
        self.maker = BatchMaker(len(corpus), tokenizer, recipe, rank, world)
        self.batch_size = self.maker.batch_size
        self._epoch, self._order = 0, corpus.order(self.seed * 1_000_003)
        self._unusable: dict[int, Bad] = {}

    @property
    def steps_per_epoch(self) -> int:
        return len(self.corpus) // self.batch_size

    def at(self, step: int) -> Batch:
        """Return this process's share of the batch of a step.

        Each process takes a block of rows; random draws belong to the sample and not to the process.

        Args:
            step: Number of steps before this one.

        Raises:
            TooManyBadError: More than ``max_bad_samples`` samples were bad.
        """
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self.corpus.order(self.seed * 1_000_003 + epoch)
        bad: list[Bad] = []
        samples = [self._usable(place * self.batch_size + slot, bad) for slot in self.maker.places]
        return self.maker.batch(samples, step, bad)

    def from_step(self, step: int, worker: int, workers: int, steps: int) -> Iterator[Batch]:
        """Yield the batches of a worker, see ``StreamBatches``."""
        yield from map(self.at, range(step + worker, steps, workers))

    def _usable(self, place: int, bad: list[Bad]) -> Sample:
        """Return the sample at a place of the epoch's order; if it is bad, the first good one of the later batches.

        That at the same place of the next batch comes first, and so on: one of this batch would be its own negative,
        and no two places of a batch are given the same one.
        """
        found: dict[Bad, None] = {}
        for candidate in self._candidates(place):
            row = self._order[candidate]
            try:
                if row not in self._unusable:
                    chosen = self.corpus.sample(row)
                    bad += [*found, *chosen.bad]
                    return chosen
                found[self._unusable[row]] = None
            except BadSampleError as error:
                found[error.bad] = None
                if not error.bad.is_shard:
                    self._unusable[row] = error.bad
            except Exception as error:  # unforeseen by the corpus; too many of them end the run as any others do
                self._unusable[row] = BadSampleError(f"sample {row}", "cannot be used", error_line(error)).bad
                found[self._unusable[row]] = None
            if len(found) > self.max_bad_samples:
                break
        bad += found
        raise TooManyBadError(bad)

    def _candidates(self, place: int) -> Iterator[int]:
        """Yield all places of the epoch: this one, the same one of later batches, others, those of the same batch."""
        count, size = len(self._order), self.batch_size
        first = place // size * size
        same = range(place, place + count, size)
        others = (other for other in range(place, place + count) if other not in same)
        yield place
        yield from (other % count for other in chain(same, others) if not first <= other % count < first + size)
        yield from (other for other in range(first, min(first + size, count)) if other != place)
