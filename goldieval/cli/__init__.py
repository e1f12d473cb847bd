"""The command line: one small file per verb. The library does not depend on it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from goldieval.cli.compare import compare
from goldieval.cli.completion import join_words_of_bash
from goldieval.cli.data import data
from goldieval.cli.doctor import doctor
from goldieval.cli.ending import INTERRUPTED, report
from goldieval.cli.library_messages import suppressed_messages
from goldieval.cli.ls import ls
from goldieval.cli.run import run
from goldieval.cli.show import show
from goldieval.cli.table import table
from goldieval.cli.train import TrainCommand, train
from goldieval.core.display import Console, guarded, leave_pipe, show_traceback
from goldieval.core.errors import GoldievalError

app = typer.Typer(
    name="goldieval",
    help="Evaluate, compare and train data-efficient CLIP models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for verb in (run, ls, show, compare, table, doctor):
    app.command()(verb)
app.command(cls=TrainCommand)(train)
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
            code = report(KeyboardInterrupt())
        sys.stdout.flush()  # here, so that a full disk or a closed pipe can still be reported
    except BrokenPipeError:
        leave_pipe()
    except (GoldievalError, typer.Exit, typer.Abort, KeyboardInterrupt, Exception) as error:
        if debug and not isinstance(error, typer.Exit):
            sys.excepthook = show_traceback
            raise
        code = report(error)
    return code or 0


def _warn(line: str) -> None:
    Console(stderr=True, soft_wrap=True).print(f"warning: {line}")
