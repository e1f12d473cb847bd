"""Progress: lines with rate and remaining time at growing intervals, and bars on a terminal."""

from __future__ import annotations

import io

import pytest

from goldieval.core.display import Console
from goldieval.report import progress
from goldieval.report.fetching import FetchReporter
from goldieval.report.progress import ProgressDisplay


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def _console(terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=80, force_terminal=terminal)


def _text(console: Console) -> str:
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_lines_say_the_rate_and_what_is_left(clock: Clock) -> None:
    console = _console()
    with ProgressDisplay(console).meter("encoding images", 10_000) as meter:
        for _ in range(100):
            clock.now += 1
            meter.advance(100)
    lines = _text(console).splitlines()
    assert lines[0] == "encoding images: 1,000 of 10,000, 100/s, 1 min 30 s left"
    assert lines[-1] == "encoding images: 10,000 of 10,000, 100/s, took 1 min 40 s"
    assert len(lines) == 10


def test_lines_become_rare_in_long_work(clock: Clock) -> None:
    console = _console()
    with ProgressDisplay(console).meter("encoding images", 864_000) as meter:
        for _ in range(86_400):
            clock.now += 1
            meter.advance(10)
    lines = _text(console).splitlines()
    assert 250 < len(lines) < 400  # of a day: one every five minutes
    assert "23 h" in lines[10] and lines[-1].endswith("took 24 h 0 min")


def test_short_work_is_silent_unless_it_is_a_phase_of_the_run(clock: Clock) -> None:
    console = _console()
    display = ProgressDisplay(console)
    with display.meter("reading masks", 3) as meter:
        meter.advance(3)
    with display.meter("encoding texts", 3, summarised=True) as meter:
        clock.now += 2
        meter.advance(3)
    assert _text(console) == "encoding texts: 3 of 3, 1.5/s, took 2 s\n"


def test_a_wait_is_told_once_in_a_while(clock: Clock) -> None:
    console = _console()
    with ProgressDisplay(console).meter("encoding images", 5) as meter:
        for _ in range(70):
            clock.now += 0.2
            meter.waiting()
    assert _text(console) == "encoding images: waiting for another process\n"


def test_nested_meters_share_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "BAR_AFTER_S", 0.0)
    console = _console(terminal=True)
    display = ProgressDisplay(console)
    with display.meter("comparing", 2) as outer:
        for _ in range(2):
            with display.meter("drawing resamples", 3) as inner:
                inner.advance(3)
            outer.advance(1)
    with display.meter("again", 1) as meter:
        meter.waiting()
        meter.advance(1)
    assert "comparing" in _text(console)
    assert _text(console).count("\x1b[?25l") == _text(console).count("\x1b[?25h") == 2  # the cursor is shown again


def test_a_download_without_a_terminal_says_what_is_left(clock: Clock) -> None:
    console = _console()
    with FetchReporter(console) as reporter:
        for done in range(100_000_000, 401_000_000, 25_000_000):
            reporter.at("train.tar", done, 400_000_000)
            clock.now += 5
        reporter.at("meta.json", 1000, None)
    lines = _text(console).splitlines()
    assert lines[0].split() == ["train.tar", "150.0", "of", "400.0", "MB,", "5.0", "MB/s,", "50", "s", "left"]
    assert lines[-1] == "  train.tar  400.0 MB"


def test_rates_below_one_per_second_are_readable() -> None:
    assert progress.progress_line("generating", 3, 10, 60.0) == "generating: 3 of 10, 3.0/min, 2 min 20 s left"
