"""Exceptions that nobody foresaw: each costs the task at which it happened, and never the run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from goldieval.core.errors import GoldievalError, InterruptedRunError, TaskError, first_line

LOG = logging.getLogger("goldieval")

# What ends a run whatever it is at work on.
STOPS = (KeyboardInterrupt, GeneratorExit, InterruptedRunError)


@contextmanager
def contained(doing: str = "", passing: type[GoldievalError] = TaskError) -> Iterator[None]:
    """Turn whatever is raised inside into a TaskError of one line; Ctrl-C stays what it is.

    Everything else counts, ``SystemExit`` and the panics of compiled extensions too, which are no ``Exception``.
    The exception itself is the cause of the TaskError, and goes with its traceback to the logger ``goldieval`` at
    level DEBUG, which ``--debug`` shows.

    Args:
        doing: the work inside, for example ``"reading its data"``; part of the line where the exception was not
            written for the user.
        passing: errors that come out as they are.

    Raises:
        TaskError: instead of any other exception.
    """
    try:
        yield
    except STOPS:
        raise
    except BaseException as error:
        LOG.debug("while %s", doing or "working", exc_info=error)
        if isinstance(error, passing):
            raise
        raise TaskError(error_line(error, doing)) from error


def error_line(error: BaseException, doing: str = "") -> str:
    """Return one line about an exception: its own where it was written for the user, else its type and first line.

    >>> in_words(ValueError("embedded null byte"), "reading its data")
    'ValueError while reading its data: embedded null byte'
    """
    if isinstance(error, GoldievalError):
        return utf8_safe(str(error))
    work = f" while {doing}" if doing else ""
    if out_of_memory(error):
        return utf8_safe(f"out of memory{work} ({first_line(error)}): try a smaller --batch-size or fewer --workers")
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename is not None else ""
        return utf8_safe(f"{type(error).__name__}{work}: {error.strerror}{where}")
    return utf8_safe(f"{type(error).__name__}{work}: {first_line(error)}")


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of the machine or of a device."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def utf8_safe(text: str) -> str:
    r"""Return the text with what UTF-8 cannot hold written out, so that it fits into any record.

    >>> writable("a lone \udce9")
    'a lone \\udce9'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
