"""Containment of unexpected exceptions: each fails the task in which it occurred, but never the whole run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from goldieval.core.errors import (
    ChangedModelError,
    GoldievalError,
    InterruptedRunError,
    LostRankError,
    TaskError,
    first_line,
)
from goldieval.core.out_of_memory import advice, memory_cause, release_memory

LOG = logging.getLogger("goldieval")

# Exceptions that end a run, whatever it is doing.
STOPS = (KeyboardInterrupt, GeneratorExit, InterruptedRunError, LostRankError, ChangedModelError)


@contextmanager
def contained(doing: str = "", passing: type[GoldievalError] = TaskError) -> Iterator[None]:
    """Convert any exception raised inside into a one-line TaskError; Ctrl-C passes through.

    This includes ``SystemExit`` and the panics of compiled extensions, which do not derive from ``Exception``. The
    original exception is the cause of the TaskError and is logged with its traceback to the logger ``goldieval`` at
    level DEBUG, which ``--debug`` shows.

    Args:
        doing: The work inside, for example ``"reading its data"``; part of the message if the exception was not
            written for the user.
        passing: Errors that are raised unchanged.

    Raises:
        TaskError: Instead of any other exception.
    """
    try:
        yield
    except STOPS:
        raise
    except BaseException as error:
        LOG.debug("while %s", doing or "working", exc_info=error)
        if isinstance(error, passing):
            raise
        line = error_line(error, doing)
        if memory_cause(error):
            release_memory(error)
        raise TaskError(line) from error


def error_line(error: BaseException, doing: str = "") -> str:
    """Return a one-line message for an exception: its own if it was written for the user, else type and first line.

    >>> error_line(ValueError("embedded null byte"), "reading its data")
    'ValueError while reading its data: embedded null byte'
    """
    if isinstance(error, GoldievalError):
        return utf8_safe(str(error))
    work = f" while {doing}" if doing else ""
    if memory := memory_cause(error):
        said = ": ".join(dict.fromkeys([first_line(error), first_line(memory)]))
        return utf8_safe(f"out of memory{work} ({said}): {advice(memory)}")
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename is not None else ""
        return utf8_safe(f"{type(error).__name__}{work}: {error.strerror}{where}")
    return utf8_safe(f"{type(error).__name__}{work}: {first_line(error)}")


def utf8_safe(text: str) -> str:
    r"""Return the text with characters that UTF-8 cannot encode written as escapes, so that any record can hold it.

    >>> utf8_safe("a lone \udce9")
    'a lone \\udce9'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
