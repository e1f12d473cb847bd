"""Requests to stop: SIGTERM, and SIGUSR1, by which a batch system announces the end of a job's time.

A request is obeyed where work has just been saved: after a chunk, a batch or a picture, and between tasks. Where
nothing would be lost it is obeyed at once, and so is a second request anywhere. Only the command line installs
handlers; in a program that uses goldieval as a library, signals are the program's own.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from goldieval.core.errors import StoppedRunError

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name))


@dataclass
class _State:
    """What was requested.

    Attributes:
        signal: name of the first signal that was received; empty if none was.
        at_once: whether a request is obeyed wherever it arrives.
    """

    signal: str = ""
    at_once: bool = False


_state = _State()


class _StopNow(KeyboardInterrupt):
    """Ends whatever is being done, as Ctrl-C does: nothing that handles errors takes it for one."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn ``SIGNALS`` into requests to stop inside the block; do nothing in another than the main thread.

    Requests are obeyed at once, except within ``saving_work``.

    Raises:
        StoppedRunError: stop was requested.
    """
    global _state
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _state = _State(at_once=True)
    before = {number: signal.signal(number, _received) for number in SIGNALS}
    try:
        yield
    except _StopNow:
        raise _stopped() from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _state = _State()


@contextmanager
def saving_work() -> Iterator[None]:
    """Obey requests only where ``check_stop`` is called inside the block, and here."""
    check_stop()
    before, _state.at_once = _state.at_once, False
    try:
        yield
    finally:
        _state.at_once = before


def stop_requested() -> str:
    """Return the name of the signal that requests to stop; empty if none was received."""
    return _state.signal


def check_stop() -> None:
    """Raise StoppedRunError if stop was requested; called where all work so far is saved."""
    if _state.signal:
        raise _stopped()


def _stopped() -> StoppedRunError:
    return StoppedRunError(f"{_state.signal}; the same command continues from here")


def leave_stop_to_parent(*_: object) -> None:
    """Let this process go on where stop is requested, because its parent needs it until its work is saved.

    For processes that load data: batch systems signal all processes of a job. A second SIGTERM ends this one, since
    the parent may have no other way.
    """
    global _state
    _state = _State()
    for number in SIGNALS:
        signal.signal(number, _received_by_child)


def _received(number: int, frame: FrameType | None) -> None:
    is_second = bool(_state.signal)
    _state.signal = _state.signal or signal.Signals(number).name
    if is_second or _state.at_once:
        raise _StopNow


def _received_by_child(number: int, frame: FrameType | None) -> None:
    if number != signal.SIGTERM:
        return
    if _state.signal:
        os._exit(128 + number)
    _state.signal = signal.Signals(number).name
