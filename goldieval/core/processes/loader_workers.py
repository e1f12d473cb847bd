"""Worker processes of torch's data loaders: their death is found where a batch is asked for."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pickle import UnpicklingError

DEATHS = (RuntimeError, OSError, EOFError, UnpicklingError)  # what the death of a worker raises, and other errors too


@contextmanager
def sigchld_kept() -> Iterator[None]:
    """Undo the handler of SIGCHLD that a loader installs: it raises wherever the process is when a worker dies.

    The first loader with workers in a process installs it when it is iterated. Without it a death is found where the
    batch is asked for, within seconds.
    """
    before = signal.getsignal(signal.SIGCHLD)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGCHLD) is not before:
            signal.signal(signal.SIGCHLD, before or signal.SIG_DFL)  # None: not one of Python's


def is_worker_death(error: Exception) -> bool:
    """Return whether a worker died: reported by torch, or seen first as a batch that was not sent completely.

    The message of an exception that was raised within a worker begins with "Caught", whatever its type.

    Args:
        error: one of ``DEATHS``, raised by a loader with workers when a batch was asked for.
    """
    return not str(error).startswith("Caught ")
