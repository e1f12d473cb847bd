"""The command line: one small file a verb. Nothing here is needed to use the library."""

from __future__ import annotations

import errno
import re
import sys
from typing import Annotated, Any

import typer

from goldieval.cli.chatter import kept_off
from goldieval.cli.compare import compare
from goldieval.cli.data import data
from goldieval.cli.doctor import doctor
from goldieval.cli.ls import ls
from goldieval.cli.run import run
from goldieval.cli.show import show
from goldieval.cli.table import table
from goldieval.cli.train import train
from goldieval.core.containment import error_line, out_of_memory
from goldieval.core.display import Console, discard_output, guarded, leave_pipe, show_traceback
from goldieval.core.errors import GoldievalError, InterruptedRunError, first_line

INTERRUPTED = 130
OURS = ("goldieval", "model_adapters")

app = typer.Typer(
    name="goldieval",
    help="Evaluate, compare and train data-efficient CLIP models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in (run, ls, show, compare, table, train, doctor):
    app.command()(verb)
app.add_typer(data)


def _version(asked: bool) -> None:
    if asked:
        from goldieval import __version__

        Console().print(f"goldieval {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Evaluate, compare and train data-efficient CLIP models."""


def main() -> None:
    """Run the command line: 0 all right, 1 a task failed or is partial, 2 bad input, 130 interrupted."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    with guarded():
        sys.exit(_run(arguments, debug))


def _run(arguments: list[str], debug: bool) -> int:
    try:
        with kept_off(_warn, debug):
            code = app(args=arguments, standalone_mode=False)
        if code == INTERRUPTED:
            code = _explain(KeyboardInterrupt())
        sys.stdout.flush()  # here, so that a full disk or a closed pipe is met where it can be said
    except BrokenPipeError:
        leave_pipe()
    except (GoldievalError, typer.Exit, typer.Abort, KeyboardInterrupt, Exception) as error:
        if debug and not isinstance(error, typer.Exit):
            sys.excepthook = show_traceback
            raise
        code = _explain(error)
    return code or 0


def _warn(line: str) -> None:
    Console(stderr=True, soft_wrap=True).print(f"warning: {line}")


def _explain(error: BaseException) -> int:
    """Say in one line what is wrong and return the exit code."""
    console = Console(stderr=True, soft_wrap=True)
    if isinstance(error, typer.Exit):
        return error.exit_code
    if type(error).__name__ == "NoArgsIsHelpError":  # the help has been printed
        return 2
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        console.print("interrupted; the same command goes on from here")
        return INTERRUPTED
    if isinstance(error, InterruptedRunError):
        console.print(f"interrupted: {error}")
        return INTERRUPTED
    if isinstance(error, OSError) and error.filename is None and error.errno in (errno.ENOSPC, errno.EIO):
        discard_output()
        console.print(f"error: cannot write the output: {error.strerror}.")
        return 2
    console.print(f"error: {_line(error)}")
    return 2


def _usage(error: Any) -> str:
    """Return what is wrong with the options or arguments, in one sentence, and where to read more."""
    context = getattr(error, "ctx", None)
    said = re.sub(r"\bValue error, |Input should be (?=greater|less)|, unable to parse .*", "", error.format_message())
    said = said.replace(": greater", ": write a number greater").replace(": less", ": write a number less")
    said = said.replace("Input should be a valid", "write a valid").rstrip(".")
    return f"{said}{'' if said.endswith('?') else '.'} See: goldieval {' '.join([*_path(context), '--help'])}"


def _path(context: Any) -> list[str]:
    """Return the verb, and its part, in which an error was found."""
    return [] if context is None or context.parent is None else [*_path(context.parent), str(context.info_name)]


def _line(error: BaseException) -> str:
    """Return what to tell the user. What is neither theirs nor the machine's nor a library's is our own fault."""
    if isinstance(error, GoldievalError):
        return str(error)
    if hasattr(error, "format_message"):  # wrong options and arguments, from typer
        return _usage(error)
    if out_of_memory(error):
        return error_line(error)
    if isinstance(error, OSError):
        return f"{error_line(error)}."
    if isinstance(error, ImportError) and not (error.name or "").startswith(OURS):
        return f"{first_line(error)}: a package is missing or does not fit; goldieval doctor says which."
    return f"{type(error).__name__}: {first_line(error)} (a fault of goldieval; --debug shows where)"
