"""Trying again: after 429 and 5xx, and where a connection breaks; never for what will not change."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from goldieval.core.errors import GoldievalError

TRIES = 5  # in a row without a byte of progress
MOST_TRIES = 1_000  # of one file, with progress
LONGEST = 300.0  # seconds that a server may ask us to wait
SLOWEST = 1_000  # bytes a second, over a minute
WINDOW_S = 60.0
pause = time.sleep
clock = time.monotonic

T = TypeVar("T")


class Transient(Exception):
    """May be gone in a moment. after: seconds that the server asked for."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class TooSlow(Transient):
    """It goes on, but too slowly to count as progress."""


class Refused(GoldievalError):
    """The server's final word. status: HTTP."""

    def __init__(self, what: str, status: int) -> None:
        super().__init__(f"{what}: HTTP {status}")
        self.status = status


class SpeedCheck:
    """Ends a connection that trickles, which no timeout for silence does."""

    def __init__(self, done: int) -> None:
        self._since, self._done = clock(), done

    def check(self, done: int) -> None:
        """Take in how many bytes are here. Raises Transient below ``SLOWEST``."""
        passed = clock() - self._since
        if passed < WINDOW_S:
            return
        if done - self._done < SLOWEST * passed:
            raise TooSlow(f"fewer than {SLOWEST:,} bytes a second came")
        self._since, self._done = clock(), done


def check_status(what: str, status: int, retry_after: str | None) -> None:
    """Raise Transient or Refused for an HTTP status of 400 or more."""
    if status == 429 or status >= 500:
        after = float(retry_after) if retry_after and retry_after.strip().isdigit() else None
        raise Transient(f"HTTP {status}", after)
    if status >= 400:
        raise Refused(what, status)


def with_retries(
    what: str, attempt: Callable[[], T], note: Callable[[str], None], progress: Callable[[], int] = lambda: 0
) -> T:
    """Call ``attempt`` until it succeeds or has failed ``TRIES`` times without progress.

    Args:
        progress: bytes that are safe so far.   note: told each time that we wait.

    Raises:
        GoldievalError: it went on failing, or the server asks for too long a wait.
    """
    failures, safe = 0, progress()
    for tried in range(1, MOST_TRIES + 1):
        try:
            return attempt()
        except Transient as error:
            now = progress()
            goes_on = now > safe and not isinstance(error, TooSlow)
            failures, safe = (1 if goes_on else failures + 1), now
            wait = 2.0 ** (failures - 1) if error.after is None else error.after
            if failures >= TRIES or wait > LONGEST or tried == MOST_TRIES:
                often = f" ({TRIES} times in a row)" if failures >= TRIES else f" ({tried:,} times)"
                asked = f", and the server asks to wait {wait:,.0f} s" if wait > LONGEST else often
                raise GoldievalError(f"{what}: {error}{asked}. Later, the same command goes on from here.") from None
            note(f"{what}: {error}; trying again in {wait:.0f} s")
            pause(wait)
    raise AssertionError("the last try returns or raises")
