"""The command line in a process of its own, forked from this one: what has been imported is not imported again."""

from __future__ import annotations

import os
import runpy
import sys
import tempfile
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        returncode: Its exit status.
        stdout: What it wrote, as bytes.
        stderr: The same of its second stream.
    """

    returncode: int
    stdout: bytes
    stderr: bytes


def forked(
    *arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> Ended:
    """Run ``python -m goldieval`` with real streams, which are opened as the interpreter opens them.

    Args:
        arguments: Those of the command line.
        stdin: What the command could read.
        cwd: The folder to run in.
        environment: Variables to set. ``PYTHONIOENCODING`` is obeyed.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        child = os.fork()
        if child == 0:
            _become([str(argument) for argument in arguments], (given, out, err), cwd, environment or {})
        _, status = os.waitpid(child, 0)
        return Ended(os.waitstatus_to_exitcode(status), _content(out), _content(err))


def _content(stream: BinaryIO) -> bytes:
    stream.seek(0)
    return stream.read()


def _become(
    arguments: list[str],
    streams: tuple[BinaryIO, BinaryIO, BinaryIO],
    cwd: Path | None,
    environment: Mapping[str, str],
) -> None:
    """Run the command in this process, which is the child, and end it without what the parent does at exit."""
    code = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream.fileno(), number)
        os.environ.update(environment)
        encoding = os.environ.get("PYTHONIOENCODING", "utf-8")
        sys.stdin = os.fdopen(0, encoding=encoding, closefd=False)
        sys.stdout = os.fdopen(1, "w", encoding=encoding, closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding=encoding, errors="backslashreplace", closefd=False)
        os.chdir(cwd or Path.cwd())
        sys.argv = ["goldieval", *arguments]
        runpy.run_module("goldieval", run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            code = 120
        os._exit(code)
