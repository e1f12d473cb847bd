"""Meters: displayed where a display is set, and silent elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from goldieval.core.meter import Meter, SilentMeter, displaying, metered, tracked


class Counting(SilentMeter):
    """Counts what is done."""

    def __init__(self) -> None:
        self.done = 0

    def advance(self, count: int) -> None:
        self.done += count


def test_meters_are_displayed_inside_the_context_only() -> None:
    opened: list[tuple[str, int, Counting]] = []

    @contextmanager
    def display(what: str, total: int) -> Iterator[Meter]:
        opened.append((what, total, Counting()))
        yield opened[-1][2]

    with displaying(display):
        assert list(tracked("abc", "reading", 3)) == ["a", "b", "c"]
        with metered("nothing", 0) as meter:
            meter.advance(1)
    assert list(tracked("abc", "reading", 3)) == ["a", "b", "c"]
    assert [(what, total, meter.done) for what, total, meter in opened] == [("reading", 3, 3)]


def test_a_display_is_removed_after_an_error() -> None:
    def fails(what: str, total: int) -> Meter:
        raise RuntimeError(what)

    try:
        with displaying(fails):  # type: ignore[arg-type]
            list(tracked("a", "x", 1))
    except RuntimeError:
        pass
    assert list(tracked("a", "x", 1)) == ["a"]
