"""Retries after HTTP 429 and 5xx and after broken connections, but not after permanent errors."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from goldieval.core.errors import GoldievalError

TRIES = 5  # consecutive attempts without progress
MOST_TRIES = 1_000  # attempts for one file with progress
LONGEST = 300.0  # maximum delay in seconds that a server may request
SLOWEST = 1_000  # bytes per second, averaged over a minute
WINDOW_S = 60.0
pause = time.sleep
clock = time.monotonic

T = TypeVar("T")


class Transient(Exception):
    """A temporary error.

    Attributes:
        after: Delay in seconds requested by the server.
    """

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class TooSlow(Transient):
    """Data arrive, but too slowly to count as progress."""


class Refused(GoldievalError):
    """A permanent refusal by the server.

    Attributes:
        status: HTTP status.
    """

    def __init__(self, what: str, status: int) -> None:
        super().__init__(f"{what}: HTTP {status}")
        self.status = status


class SpeedCheck:
    """Ends a connection that is too slow, which a timeout for silence does not detect."""

    def __init__(self, done: int) -> None:
        self._since, self._done = clock(), done

    def check(self, done: int) -> None:
        """Register the number of bytes received. Raises TooSlow below ``SLOWEST``."""
        passed = clock() - self._since
        if passed < WINDOW_S:
            return
        if done - self._done < SLOWEST * passed:
            raise TooSlow(f"fewer than {SLOWEST:,} bytes a second arrived")
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
        what: Address for messages.
        attempt: The action.
        note: Receives a line before each delay.
        progress: Returns the number of bytes saved so far.

    Raises:
        GoldievalError: All attempts failed, or the server requests too long a delay.
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
                raise GoldievalError(f"{what}: {error}{asked}. The same command resumes later from here.") from None
            note(f"{what}: {error}; trying again in {wait:.0f} s")
            pause(wait)
    raise AssertionError("the last attempt returns or raises")
