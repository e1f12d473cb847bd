"""The command line of this process, as records show it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_added: ContextVar[tuple[str, ...]] = ContextVar("added", default=())


@contextmanager
def added_arguments(arguments: Sequence[str]) -> Iterator[None]:
    """Add arguments to the command lines of the records that are made in this context.

    A configuration file adds its settings, so that the recorded command repeats the run after the file has changed.
    """
    before = _added.set(tuple(arguments))
    try:
        yield
    finally:
        _added.reset(before)


def command_line() -> str:
    """Return the command line for a shell, or ``python`` where another program runs goldieval as a library."""
    program = Path(sys.argv[0])
    ours = program.stem == "goldieval" or (program.stem == "__main__" and program.parent.name == "goldieval")
    return shlex.join(["goldieval", *sys.argv[1:], *_added.get()]) if ours else "python"
