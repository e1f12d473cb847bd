"""Offline mode: one switch for the command line, Python, and the libraries that access the Hugging Face Hub."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
# Copies of the setting that libraries make when they are imported.
COPIES = (
    ("huggingface_hub.constants", "HF_HUB_OFFLINE"),
    ("transformers.utils.hub", "_is_offline_mode"),
    ("datasets.config", "HF_HUB_OFFLINE"),
)


class _Block:
    """One ``with offline()`` block. It also binds threads started within it, until the block ends."""

    open = True


_block: ContextVar[_Block | None] = ContextVar("block", default=None)


def is_offline() -> bool:
    """Return whether network access is forbidden here, by ``offline`` or by the user's ``HF_HUB_OFFLINE``."""
    values = (os.environ.get(name, "").upper() for name in VARIABLES[:2])
    return any(value in ("1", "ON", "YES", "TRUE") for value in values)


@contextmanager
def offline(forbidden: bool = True) -> Iterator[None]:
    """Forbid network access inside the block: Hub libraries read only their caches, and connections are refused.

    This applies to the current thread and to threads that it starts; threads that exist already keep their access. The
    environment variables are set as well, for processes started in the block. With ``forbidden=False`` nothing changes.

    Raises:
        ConnectionError: In the block, if something tries to look up or reach another machine.
    """
    if not forbidden:
        yield
        return
    _guard_sockets()
    variables = {name: os.environ.get(name) for name in VARIABLES}
    copies = {copy: getattr(sys.modules[copy[0]], copy[1]) for copy in _loaded()}
    os.environ.update(dict.fromkeys(VARIABLES, "1"))
    for module, name in copies:
        setattr(sys.modules[module], name, True)
    block = _Block()
    token = _block.set(block)
    try:
        yield
    finally:
        block.open = False
        _block.reset(token)
        for name, value in variables.items():
            os.environ.pop(name)
            os.environ.update({name: value} if value is not None else {})
        for copy in _loaded():  # including those of libraries imported in the block
            setattr(sys.modules[copy[0]], copy[1], copies.get(copy, is_offline()))


def _loaded() -> list[tuple[str, str]]:
    return [copy for copy in COPIES if copy[0] in sys.modules and hasattr(sys.modules[copy[0]], copy[1])]


def _guard_sockets() -> None:
    """Wrap Python's socket functions, once; they refuse connections in threads that are inside ``offline``."""
    if not hasattr(threading.Thread.start, "guarded"):
        threading.Thread.start = _handing_on(threading.Thread.start)  # type: ignore[method-assign]
    if isinstance(socket.socket, type) and not hasattr(socket.socket.connect, "guarded"):
        socket.socket.connect = _guarded(socket.socket.connect, lambda own, address: address)  # type: ignore[method-assign]
        socket.socket.connect_ex = _guarded(socket.socket.connect_ex, lambda own, address: address)  # type: ignore[method-assign]
    if not hasattr(socket.getaddrinfo, "guarded"):
        socket.getaddrinfo = _guarded(socket.getaddrinfo, lambda host, *_, **__: (host,))
        for name in ("gethostbyname", "gethostbyname_ex"):
            setattr(socket, name, _guarded(getattr(socket, name), lambda host: (host,)))


def _shut() -> bool:
    block = _block.get()
    return block is not None and block.open


def _handing_on(start: Callable[[threading.Thread], None]) -> Any:
    """Return a replacement for ``Thread.start`` that passes the block on: a new thread starts with an empty context."""

    @wraps(start)
    def started(thread: threading.Thread) -> None:
        if _shut():
            run, block = thread.run, _block.get()

            def bound() -> None:
                _block.set(block)
                run()

            thread.run = bound  # type: ignore[method-assign]
        start(thread)

    started.guarded = True  # type: ignore[attr-defined]
    return started


def _guarded(call: Callable[..., Any], address_of: Callable[..., Any]) -> Any:
    @wraps(call)
    def gate(*args: Any, **kwargs: Any) -> Any:
        if _shut() and _elsewhere(address := address_of(*args, **kwargs)):
            raise ConnectionError(f"offline: no connection to {address[0]}")
        return call(*args, **kwargs)

    gate.guarded = True  # type: ignore[attr-defined]
    return gate


def _elsewhere(address: Any) -> bool:
    """Return whether an address belongs to another machine; local addresses and Unix sockets do not."""
    if not isinstance(address, tuple):
        return False
    host = address[0].decode() if isinstance(address[0], bytes) else str(address[0] or "localhost")
    return not (host in ("localhost", "::1", "0.0.0.0", "::") or host.startswith("127."))
