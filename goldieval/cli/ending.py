"""How a command ends: the line that is printed for an error, and the exit code."""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
from typing import Any, NoReturn

import typer

from goldieval.cli.ranks import is_told_by_another_rank, prefix
from goldieval.cli.run_config import source_of
from goldieval.core.containment import error_line
from goldieval.core.display import Console, discard_output
from goldieval.core.errors import GoldievalError, InterruptedRunError, StoppedRunError, first_line
from goldieval.core.out_of_memory import memory_cause

INTERRUPTED = 130
STOPPED = 75  # EX_TEMPFAIL of sysexits.h: try again
OWN_PACKAGES = ("goldieval", "model_adapters")


def end_process(error: BaseException) -> NoReturn:
    """Report an error and end at once: compiled code may wait for processes that are gone, and Python for it."""
    logging.getLogger("goldieval").debug("ending", exc_info=error)
    code = report(error)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def report(error: BaseException) -> int:
    """Print the error in one line and return the exit code."""
    if isinstance(error, typer.Exit):
        return error.exit_code
    if type(error).__name__ == "NoArgsIsHelpError":  # the help has been printed
        return 2
    console = Console(stderr=True, soft_wrap=True, quiet=is_told_by_another_rank(error))
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        console.print("interrupted; the same command continues from here")
        return INTERRUPTED
    if isinstance(error, StoppedRunError):
        console.print(f"stopped by {error}")
        return STOPPED
    if isinstance(error, InterruptedRunError):
        console.print(f"interrupted: {error}")
        return INTERRUPTED
    if isinstance(error, OSError) and error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        discard_output()
        console.print(f"error: cannot write the output: {error.strerror}.")
        return 2
    console.print(f"{prefix()}error: {_line(error)}")
    return 2


def _usage(error: Any) -> str:
    """Return one sentence on what is wrong with the options or arguments, and the command that prints their help."""
    context = getattr(error, "ctx", None)
    message = re.sub(
        r"\bValue error, |Input should be (?=greater|less)|, unable to parse .*", "", error.format_message()
    )
    message = message.replace(": greater", ": write a number greater").replace(": less", ": write a number less")
    message = message.replace("Input should be a valid", "write a valid").rstrip(".")
    message += source_of(error)
    return f"{message}{'' if message.endswith('?') else '.'} See: goldieval {' '.join([*_path(context), '--help'])}"


def _path(context: Any) -> list[str]:
    """Return the verb, and the part of it, that an error belongs to."""
    return [] if context is None or context.parent is None else [*_path(context.parent), str(context.info_name)]


def _line(error: BaseException) -> str:
    """Return the message of an error. An unexpected exception is reported as a bug of goldieval."""
    if isinstance(error, GoldievalError):
        return str(error)
    if hasattr(error, "format_message"):  # wrong options and arguments, from typer
        return _usage(error)
    if memory_cause(error):
        return error_line(error)
    if isinstance(error, OSError):
        return f"{error_line(error)}."
    if isinstance(error, ImportError) and not (error.name or "").startswith(OWN_PACKAGES):
        return f"{first_line(error)}: a package is missing or has another version; see: goldieval doctor"
    return f"{type(error).__name__}: {first_line(error)} (a bug in goldieval; --debug shows where)"
