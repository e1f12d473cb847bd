"""Loads batches for the training loop: in this process or ahead of time in workers; the same batches either way."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from goldieval.core.errors import GoldievalError, first_line
from goldieval.core.processes.loader_workers import DEATHS, is_worker_death, sigchld_kept
from goldieval.core.stop import leave_stop_to_parent
from goldieval.goldiclip.data.bad_samples import BadSamples, TooManyBadError
from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.data.corpus import Bad
from goldieval.goldiclip.data.packed import packed

AHEAD = 2  # batches that a worker makes ahead
Made = Batch | TooManyBadError  # a worker returns the error: raised there, it would arrive as a traceback


class HasBad(Protocol):
    """A corpus of any kind.

    Attributes:
        bad: What could not be read when it was opened.
    """

    @property
    def bad(self) -> Sequence[Bad]: ...


class StepBatches(Protocol):
    """The batches of a run, from random access or from a stream.

    Attributes:
        corpus: The training data.
    """

    @property
    def corpus(self) -> HasBad: ...

    def from_step(self, step: int, worker: int, workers: int, steps: int) -> Iterator[Batch]:
        """Yield every ``workers``-th batch from a step on, beginning with number ``worker`` of them."""


class BatchLoader:
    """Loads the batches of a run, in this process or ahead of time in worker processes, and counts bad samples.

    Workers start at the first step that is asked for, and again where a step does not follow the one before.
    """

    def __init__(
        self, batches: StepBatches, steps: int, workers: int, bad: BadSamples, pin: bool = False, ahead: int = AHEAD
    ) -> None:
        """Load from a run's batches.

        Args:
            batches: Makes the batch of a step.
            steps: Number of steps of the run; workers read no further.
            workers: Number of worker processes; 0 makes batches in this process.
            bad: Counts the bad samples.
            pin: Whether batches are put in pinned memory, for a GPU.
            ahead: Number of batches that each worker makes ahead.
        """
        self.batches, self.steps, self.workers, self.bad = batches, steps, workers, bad
        self.pin, self.ahead = pin, ahead
        self._stream: Iterator[Made] = iter(())
        self._next, self._counted = -1, False

    def batch(self, step: int) -> Batch:
        """Return this process's share of the batch of a step.

        Raises:
            GoldievalError: There are too many bad samples, or a worker died.
        """
        if not self._counted:
            self._counted = True
            self.bad.count(self.batches.corpus.bad)
        made = self._next_made(step)
        if isinstance(made, TooManyBadError):
            raise self.bad.give_up(made.bad)
        self.bad.count(made.bad)
        return made if self.workers or not self.pin else made.pin_memory()

    def _next_made(self, step: int) -> Made:
        if step != self._next:
            self._stream = self._ahead(step) if self.workers else iter(_Steps(self.batches, step, sys.maxsize))
        self._next = step + 1
        try:
            return next(self._stream)
        except DEATHS as error:
            if not self.workers or not is_worker_death(error):  # else an error of ours, within a worker or here
                raise
            raise GoldievalError(
                f"a data worker died ({first_line(error)}). Lower data.workers or optimiser.batch_size: "
                f"workers need memory, and shared memory, for {self.ahead} batches each."
            ) from error

    def _ahead(self, step: int) -> Iterator[Made]:
        with sigchld_kept():
            return iter(self._loader(step))

    def _loader(self, step: int) -> DataLoader[Made]:
        return DataLoader(
            _Steps(self.batches, step, self.steps),
            batch_size=None,
            num_workers=self.workers,
            prefetch_factor=self.ahead,
            worker_init_fn=leave_stop_to_parent,
            pin_memory=self.pin,
            generator=torch.Generator(),  # else it would draw from the generator of the training
        )


class _Steps(IterableDataset[Made]):
    """The batches from a step on; of several workers, each makes its own."""

    def __init__(self, batches: StepBatches, step: int, steps: int) -> None:
        self.batches, self.step, self.steps = batches, step, steps

    def __iter__(self) -> Iterator[Made]:
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        try:
            yield from map(packed, self.batches.from_step(self.step, number, workers, self.steps))
        except TooManyBadError as error:
            yield error
