"""A process in which no data loader had workers yet: the first that has them installs torch's handler of SIGCHLD."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from torch.utils.data._utils import signal_handling


@contextmanager
def sigchld_untouched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail unless SIGCHLD is handled after the block as before it, by nobody, whatever this process did earlier."""
    monkeypatch.setattr(signal_handling, "_SIGCHLD_handler_set", False)
    earlier = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
        assert signal_handling._SIGCHLD_handler_set, "no loader had workers"
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGCHLD, earlier)
