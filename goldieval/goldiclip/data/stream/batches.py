"""Batches of a stream: each worker of each process reads shards of its own and makes batches of them."""

from __future__ import annotations

from collections.abc import Iterator

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.data.bad_samples import MAX_BAD_SAMPLES, TooManyBadError
from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.data.batch_maker import BatchMaker
from goldieval.goldiclip.data.corpus import Bad, Sample
from goldieval.goldiclip.data.stream.shards import StreamedShards
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.tokenizer import Tokenizer


class StreamBatches:
    """The batches of a run on a stream.

    Every process has as many as it asks for. A run that goes on begins with the shards that about follow those that
    were read before; see docs/training-data.md for what that means.

    Raises:
        GoldievalError: There are fewer shards than processes, or a batch cannot be shared among the processes.
    """

    def __init__(
        self,
        corpus: StreamedShards,
        tokenizer: Tokenizer,
        recipe: Recipe,
        rank: int = 0,
        world: int = 1,
        max_bad_samples: int = MAX_BAD_SAMPLES,
    ) -> None:
        """Make the batches of one process; see ``Batches`` for the arguments."""
        if len(corpus.addresses) < world:
            raise GoldievalError(
                f"data.path: {len(corpus.addresses):,} shards cannot be shared among {world} processes, "
                "each of which reads shards of its own."
            )
        self.corpus, self.rank, self.world, self.seed = corpus, rank, world, recipe.seed
        self.maker = BatchMaker(len(corpus), tokenizer, recipe, rank, world)
        self.max_bad_samples = max_bad_samples

    def from_step(self, step: int, worker: int, workers: int, steps: int) -> Iterator[Batch]:
        """Yield the batches of a worker: every ``workers``-th, beginning with number ``worker`` of them.

        Args:
            step: Number of steps before the first.
            worker: Number of the worker, from 0.
            workers: Number of workers of this process.
            steps: Number of steps at which to end.

        Raises:
            TooManyBadError: More than ``max_bad_samples`` samples were bad, or no shard holds a sample.
        """
        read_before = step * self.maker.batch_size * len(self.corpus.addresses) // len(self.corpus)
        readers = self.world * workers
        samples = self.corpus.read(read_before, self.rank * workers + worker, readers, self.seed)
        for number in range(step + worker, steps, workers):
            yield self._batch(samples, number)

    def _batch(self, samples: Iterator[Sample | Bad], step: int) -> Batch:
        chosen: list[Sample] = []
        bad: dict[Bad, None] = {}
        while len(chosen) < len(self.maker.places):
            found = next(samples, None)
            if isinstance(found, Sample):
                chosen.append(found)
                continue
            if found is not None:
                bad[found] = None
            if found is None or len(bad) > self.max_bad_samples:
                raise TooManyBadError([*bad] or [Bad("data.path", "no sample", "the shards are empty")])
        return self.maker.batch(chosen, step, [*bad, *(each for sample in chosen for each in sample.bad)])
