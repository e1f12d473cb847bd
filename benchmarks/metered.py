"""Programs whose processor time is counted, and which can be cut: they are asked to save their work first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from trainings import environment

POLL_S = 0.2
PATIENCE_S = 120.0  # after a request to stop; a training writes a checkpoint


class CutError(Exception):
    """The time is over, or the user wants to stop; what has been done is on disk."""


class FailedError(Exception):
    """A program failed; the message has the end of what it printed."""


class Stop:
    """A request to stop, by the user or because the time is over.

    Attributes:
        hours: hours until the end; None for no end.
    """

    def __init__(self, hours: float | None = None) -> None:
        self._event, self.hours = threading.Event(), hours
        self._end = None if hours is None else time.monotonic() + 3600 * hours

    def request(self) -> None:
        self._event.set()

    @property
    def requested(self) -> bool:
        return self._event.is_set() or (self._end is not None and time.monotonic() >= self._end)


def metered(arguments: Sequence[str], folder: Path, log: Path, threads: int, stop: Stop) -> float:
    """Run Python in a folder; return its processor seconds, with those of its own processes.

    Args:
        arguments: arguments of Python.
        folder: working folder.
        log: file to which its output is appended.
        threads: threads that torch may use.
        stop: on request the program gets SIGTERM and time to save its work.

    Raises:
        CutError: it was stopped.
        FailedError: it failed.
    """
    if stop.requested:
        raise CutError
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=folder, env=environment(threads), stdout=output, stderr=subprocess.STDOUT
        )
    code, seconds = _waited(process, stop)
    if stop.requested and code:
        raise CutError
    if code:
        end = log.read_text(errors="replace").splitlines()[-12:]
        raise FailedError(f"{' '.join(arguments[:4])} failed (exit code {code}); the end of {log}:\n" + "\n".join(end))
    return seconds


def _waited(process: subprocess.Popen[bytes], stop: Stop) -> tuple[int, float]:
    """Return exit code and processor seconds of a program when it has ended."""
    asked: float | None = None
    try:
        while True:
            found, status, usage = os.wait4(process.pid, os.WNOHANG)
            if found:
                process.returncode = os.waitstatus_to_exitcode(status)
                return process.returncode, usage.ru_utime + usage.ru_stime
            if stop.requested and asked is None:
                process.send_signal(signal.SIGTERM)
                asked = time.monotonic()
            elif asked is not None and time.monotonic() - asked > PATIENCE_S:
                process.kill()
            time.sleep(POLL_S)
    except BaseException:
        if process.returncode is None:
            process.kill()
            process.wait()
        raise
