"""The command line: one small file per verb. The library does not depend on it."""

from __future__ import annotations

import errno
import re
import sys
from typing import Annotated, Any

import typer

from goldieval.cli.compare import compare
from goldieval.cli.completion import join_words_of_bash
from goldieval.cli.data import data
from goldieval.cli.doctor import doctor
from goldieval.cli.library_messages import suppressed_messages
from goldieval.cli.ls import ls
from goldieval.cli.ranks import is_told_by_another_rank, prefix
from goldieval.cli.run import run
from goldieval.cli.run_config import source_of
from goldieval.cli.show import show
from goldieval.cli.table import table
from goldieval.cli.train import train
from goldieval.core.containment import error_line
from goldieval.core.display import Console, discard_output, guarded, leave_pipe, show_traceback
from goldieval.core.errors import GoldievalError, InterruptedRunError, StoppedRunError, first_line
from goldieval.core.out_of_memory import is_out_of_memory

INTERRUPTED = 130
STOPPED = 75  # EX_TEMPFAIL of sysexits.h: try again
OWN_PACKAGES = ("goldieval", "model_adapters")

app = typer.Typer(
    name="goldieval",
    help="Evaluate, compare and train data-efficient CLIP models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for verb in (run, ls, show, compare, table, train, doctor):
    app.command()(verb)
app.add_typer(data)


def _print_version(requested: bool) -> None:
    if requested:
        from goldieval import __version__

        Console().print(f"goldieval {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Evaluate, compare and train data-efficient CLIP models."""


def main() -> None:
    """Run the command line and exit.

    The codes: 0 success, 1 a task failed or is partial, 2 invalid input, 75 stopped by a signal, 130 interrupted.
    """
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    with guarded():
        sys.exit(_run(arguments, debug))


def _run(arguments: list[str], debug: bool) -> int:
    try:
        with suppressed_messages(_warn, debug):
            join_words_of_bash()
            code = app(args=arguments, prog_name="goldieval", standalone_mode=False)
        if code == INTERRUPTED:
            code = _report(KeyboardInterrupt())
        sys.stdout.flush()  # here, so that a full disk or a closed pipe can still be reported
    except BrokenPipeError:
        leave_pipe()
    except (GoldievalError, typer.Exit, typer.Abort, KeyboardInterrupt, Exception) as error:
        if debug and not isinstance(error, typer.Exit):
            sys.excepthook = show_traceback
            raise
        code = _report(error)
    return code or 0


def _warn(line: str) -> None:
    Console(stderr=True, soft_wrap=True).print(f"warning: {line}")


def _report(error: BaseException) -> int:
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
    if is_out_of_memory(error):
        return error_line(error)
    if isinstance(error, OSError):
        return f"{error_line(error)}."
    if isinstance(error, ImportError) and not (error.name or "").startswith(OWN_PACKAGES):
        return f"{first_line(error)}: a package is missing or has another version; see: goldieval doctor"
    return f"{type(error).__name__}: {first_line(error)} (a bug in goldieval; --debug shows where)"
