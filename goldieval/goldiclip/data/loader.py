"""Loads batches for the training loop: in this process or ahead of time in workers; the same batches either way."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pickle import UnpicklingError

import torch
from torch.utils.data import DataLoader, Dataset

from goldieval.core.errors import GoldievalError, first_line
from goldieval.core.stop import leave_stop_to_parent
from goldieval.goldiclip.data.bad_samples import BadSamples, TooManyBadError
from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.data.batches import Batches

Made = Batch | TooManyBadError  # a worker returns the error: raised there, it would arrive as a traceback


class BatchLoader:
    """Loads the batches of a run, in this process or ahead of time in worker processes, and counts bad samples.

    Workers start at the first step that is asked for, and again where a step does not follow the one before.
    """

    def __init__(self, batches: Batches, steps: int, workers: int, bad: BadSamples, pin: bool = False) -> None:
        """Load from a run's batches.

        Args:
            batches: Makes the batch of a step.
            steps: Number of steps of the run; workers read no further.
            workers: Number of worker processes; 0 makes batches in this process.
            bad: Counts the bad samples.
            pin: Whether workers put batches in pinned memory, for a GPU.
        """
        self.batches, self.steps, self.workers, self.bad, self.pin = batches, steps, workers, bad, pin
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
        made = self._ahead(step) if self.workers else _made(self.batches, step)
        if isinstance(made, TooManyBadError):
            raise self.bad.give_up(made.bad)
        self.bad.count(made.bad)
        return made

    def _ahead(self, step: int) -> Made:
        if step != self._next:
            with _sigchld_kept():
                self._stream = iter(self._loader(step))
        self._next = step + 1
        try:
            return next(self._stream)
        except (RuntimeError, OSError, EOFError, UnpicklingError) as error:
            if not _is_worker_death(error):  # else an error within a worker: a fault of the program
                raise
            raise GoldievalError(
                f"a data worker died ({first_line(error)}). Lower data.workers or optimiser.batch_size: "
                "workers need memory, and shared memory, for two batches each."
            ) from error

    def _loader(self, step: int) -> DataLoader[Made]:
        return DataLoader(
            _Steps(self.batches),
            batch_size=None,
            sampler=range(step, self.steps),
            num_workers=self.workers,
            worker_init_fn=leave_stop_to_parent,
            pin_memory=self.pin,
            generator=torch.Generator(),  # else it would draw from the generator of the training
        )


class _Steps(Dataset[Made]):
    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def __getitem__(self, step: int) -> Made:
        return _made(self.batches, step)


def _made(batches: Batches, step: int) -> Made:
    try:
        return batches.at(step)
    except TooManyBadError as error:
        return error


@contextmanager
def _sigchld_kept() -> Iterator[None]:
    """Undo the handler of SIGCHLD that a loader installs: it raises wherever the training is when a worker dies.

    Without it a death is found where the batch is asked for, within seconds.
    """
    before = signal.getsignal(signal.SIGCHLD)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGCHLD) is not before:
            signal.signal(signal.SIGCHLD, before or signal.SIG_DFL)  # None: not one of Python's


def _is_worker_death(error: Exception) -> bool:
    """Whether a worker is gone: torch says so, or its end of the pipe broke before torch could see it."""
    if isinstance(error, RuntimeError):
        return "DataLoader worker (pid" in str(error) or "Pin memory thread exited" in str(error)
    return not str(error).startswith("Caught ")  # as torch words what a worker raised
