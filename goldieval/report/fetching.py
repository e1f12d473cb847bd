"""Progress of a download: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from goldieval.core.display import Console, Text
from goldieval.report.numbers import duration
from goldieval.report.progress import LineClock


class FetchReporter:
    """Prints the progress of downloads that ``data.fetch`` reports."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._files: dict[str, tuple[LineClock, int]] = {}  # clock and first byte of files that arrive

    def __enter__(self) -> FetchReporter:
        if self.console.is_terminal:
            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def note(self, line: str, style: str = "") -> None:
        self.console.print(Text(line, style), soft_wrap=True)

    def at(self, name: str, done: int, total: int | None) -> None:
        """Show the progress of one file; without a terminal a line from time to time, and one when it is complete."""
        if self._progress is not None:
            if name not in self._tasks:
                self._tasks[name] = self._progress.add_task(name, total=total)
            self._progress.update(self._tasks[name], completed=done, total=total)
            if done == total:
                self._progress.remove_task(self._tasks.pop(name))
        elif done != total:
            self._print_line(name, done, total)
        if done == total:
            self._files.pop(name, None)
            self.note(f"  {name}  {done / 1e6:,.1f} MB")

    def _print_line(self, name: str, done: int, total: int | None) -> None:
        """Print how much of a file has arrived, if a line is due; the rate excludes what was here already."""
        clock, start = self._files.setdefault(name, (LineClock(), done))
        if not clock.strikes():
            return
        rate = (done - start) / clock.seconds
        left = f", {duration((total - done) / rate)} left" if total and rate > 0 else ""
        size = f" of {total / 1e6:,.1f}" if total else ""
        self.note(f"  {name}  {done / 1e6:,.1f}{size} MB, {rate / 1e6:,.1f} MB/s{left}")
