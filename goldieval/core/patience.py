"""Waiting for other processes: at growing intervals, for a stated time, and never long without a line that says so."""

from __future__ import annotations

import logging
import time

LOG = logging.getLogger("goldieval")
FIRST_S, LONGEST_S = 0.02, 0.5  # intervals
SILENT_S = 20.0  # of waiting, then a line


class Patience:
    """Paces the attempts of one who waits.

    >>> Patience(0).wait()
    False
    """

    def __init__(self, wait_s: float, what: str = "") -> None:
        """Start to wait.

        Args:
            wait_s: the longest time to wait in seconds; negative for any time.
            what: the line that is logged once if it takes long.
        """
        self._start, self._wait_s, self._what = time.monotonic(), wait_s, what
        self._interval = FIRST_S

    def wait(self) -> bool:
        """Sleep before the next attempt; return False if the time is up."""
        waited = time.monotonic() - self._start
        left = self._wait_s - waited if self._wait_s >= 0 else LONGEST_S
        if left <= 0:
            return False
        if self._what and waited >= SILENT_S:
            limit = f", for up to {self._wait_s:g} s" if self._wait_s >= 0 else ""
            LOG.warning("%s%s", self._what, limit)
            self._what = ""
        time.sleep(min(self._interval, left))
        self._interval = min(1.5 * self._interval, LONGEST_S)
        return True
