"""What a program did on the pretend device of ``pretend_device``, counted by line of source."""

from __future__ import annotations

import sys
import sysconfig
import weakref
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = tuple({sysconfig.get_path(name) + "/" for name in ("purelib", "platlib")})
FOREIGN = (*(sysconfig.get_path(name) for name in ("stdlib", "platstdlib")), *PACKAGES, "<")
OWN = str(Path(__file__).with_name("pretend_"))


class Event(NamedTuple):
    """Something that happened at a line.

    Attributes:
        line: file relative to the checkout, and number: ``goldieval/scoring/listed.py:120``.
        what: the operation.
        package: the installed package whose code did it, for example ``transformers``; empty for this checkout. Torch's
            own functions count as the code that calls them.
    """

    line: str
    what: str
    package: str = ""


class Attention(NamedTuple):
    """How attention was called.

    Attributes:
        line: as in ``Event``.
        dtype: type of the queries.
        kernels: kernels that torch may choose from on CUDA, for example ``("math",)``.
    """

    line: str
    dtype: torch.dtype
    kernels: tuple[str, ...]


def current_line() -> str:
    """Return the innermost line that belongs neither to Python, nor to an installed package, nor to the device."""
    return current_place()[0]


def current_place() -> tuple[str, str]:
    """Return the current line, and the innermost installed package other than torch that it called; empty for none."""
    frame, package = sys._getframe(1), ""
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((*FOREIGN, OWN)):
            return f"{file.removeprefix(f'{ROOT}/')}:{frame.f_lineno}", package
        package = package or _package(file)
        frame = frame.f_back  # type: ignore[assignment]
    return "elsewhere", package


def _package(file: str) -> str:
    inside = next((file.removeprefix(folder) for folder in PACKAGES if file.startswith(folder)), "")
    name = inside.partition("/")[0]
    return "" if name == "torch" else name


class Memory:
    """Bytes of the storages of a device.

    Attributes:
        capacity: bytes of the device; None without a limit.
        allocated: bytes of all storages that are in use.
        peak: the largest ``allocated`` since the beginning, or since the peak was reset.
    """

    def __init__(self, capacity: int | None) -> None:
        self.capacity, self.allocated, self.peak = capacity, 0, 0
        self._users: Counter[int] = Counter()

    def hold(self, storage: torch.UntypedStorage) -> object:
        """Count a storage while the returned object lives. Raises OutOfMemoryError if it does not fit."""
        address, size, held = storage.data_ptr(), storage.nbytes(), _Held()
        if address == 0:
            return held
        if not self._users[address]:
            if self.capacity is not None and self.allocated + size > self.capacity:
                del self._users[address]
                raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {size / 2**20:.2f} MiB.")
            self.allocated += size
            self.peak = max(self.peak, self.allocated)
        self._users[address] += 1
        weakref.finalize(held, self._release, address, size)
        return held

    def _release(self, address: int, size: int) -> None:
        self._users[address] -= 1
        if not self._users[address]:
            del self._users[address]
            self.allocated -= size


class _Held:
    """Lives as long as a tensor of the device."""


@dataclass
class Report:
    """What happened on the device; every counter is by line and operation.

    Attributes:
        synchronisations: the host waited for the device: ``item``, ``nonzero``, a boolean index, a copy to the host.
        uploads: copies to the device during which the host waits: from memory that is not pinned, or not
            ``non_blocking``.
        queued_uploads: copies to the device during which it does not.
        queued_downloads: copies to the host during which it does not; their values need an event.
        float64: operations on float64, which GPUs compute slowly and some devices not at all.
        unordered: kernels that add up floats in an order that differs from run to run.
        attention: calls of attention.
        memory: bytes in use.
        cache_emptied: number of calls of ``torch.cuda.empty_cache``.
    """

    memory: Memory
    synchronisations: Counter[Event] = field(default_factory=Counter)
    uploads: Counter[Event] = field(default_factory=Counter)
    queued_uploads: Counter[Event] = field(default_factory=Counter)
    queued_downloads: Counter[Event] = field(default_factory=Counter)
    float64: Counter[Event] = field(default_factory=Counter)
    unordered: Counter[Event] = field(default_factory=Counter)
    attention: Counter[Attention] = field(default_factory=Counter)
    cache_emptied: int = 0

    @property
    def stalls(self) -> Counter[Event]:
        """Everything for which the host waited."""
        return self.synchronisations + self.uploads

    def count(self, events: Counter[Event], what: str) -> None:
        """Count an event at the current line."""
        line, package = current_place()
        events[Event(line, what, package)] += 1

    def clear(self) -> None:
        """Forget what happened so far, for example while a model was moved to the device."""
        for counter in (self.synchronisations, self.uploads, self.queued_uploads, self.queued_downloads):
            counter.clear()
        for counter in (self.float64, self.unordered):
            counter.clear()
        self.attention.clear()
        self.memory.peak = self.memory.allocated
        self.cache_emptied = 0


def by_line(events: Counter[Event]) -> dict[str, int]:
    """Return the number of events of each line, the most frequent first: for messages of failed tests."""
    lines: Counter[str] = Counter()
    for event, count in events.items():
        lines[event.line] += count
    return dict(lines.most_common())
