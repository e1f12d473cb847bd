"""All trackers of one run: opened before the work, and none of them can stop it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from goldieval.core.containment import contained
from goldieval.core.errors import GoldievalError, TaskError
from goldieval.tracking.backend import Backend, TrackedRun, Value
from goldieval.tracking.backends import BACKENDS
from goldieval.tracking.run_state import RunState, new_state, read_state, state_file, write_state


class TrackerError(GoldievalError):
    """A tracker cannot be opened."""


@dataclass
class _Open:
    """A run in one tracker.

    Attributes:
        backend: the tracker.
        file: file of its state.
        state: its state.
        done_before: the largest step that an earlier process has logged.
    """

    backend: Backend
    file: Path
    state: RunState
    done_before: int


class Trackers:
    """One run in several trackers.

    A tracker that fails is reported once and then left alone; the work goes on.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        run: str,
        folder: Path,
        config: Mapping[str, Value],
        axis: str,
        continues: Callable[[int], bool],
        note: Callable[[str], None],
    ) -> None:
        """Open or continue a run in each tracker.

        Args:
            names: names of the trackers, see ``tracker_names``.
            run: name of the run; runs of one name in one folder may continue each other.
            folder: folder of all their files.
            config: what is known of the run.
            axis: what its steps count.
            continues: whether the newest run of that name is continued, given the last step that it has logged.
            note: called with a line on how to look at the run, and with one on each tracker that fails.

        Raises:
            TrackerError: a tracker cannot be opened; none stays open.
        """
        self._note = note
        self._open: dict[str, _Open] = {}
        plain = TrackedRun(run, "", folder, config, axis)
        try:
            for name in names:
                self._open[name] = self._opened(name, plain, continues)
        except TrackerError:
            self.close()
            raise
        for name, each in self._open.items():
            note(f"logging to {name}; to look at it: {each.backend.view}")

    def _opened(self, name: str, run: TrackedRun, continues: Callable[[int], bool]) -> _Open:
        file = state_file(run.folder, name, run.name)
        known = read_state(file)
        continued = known is not None and continues(known.last_step)
        state = known if known is not None and continued else new_state(run.name)
        try:
            with contained("opening it"):
                backend = BACKENDS[name](replace(run, id=state.id, continued=continued))
                state = replace(state, id=backend.id)
                write_state(file, state)
        except TaskError as error:
            raise TrackerError(f"log: {name} cannot be opened: {error}") from error
        return _Open(backend, file, state, state.last_step)

    def __enter__(self) -> Trackers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def log(self, values: Mapping[str, float], step: int, *, repeated: bool = False) -> None:
        """Log numbers; those that are not finite are left out.

        Args:
            values: numbers by name.
            step: their step.
            repeated: whether an earlier process may have logged them already, if it got as far as that step.
        """
        finite = {name: value for name, value in values.items() if math.isfinite(value)}

        def log(each: _Open) -> None:
            if repeated and step <= each.done_before:
                return
            each.backend.log(finite, step)
            each.state = replace(each.state, last_step=max(step, each.state.last_step))
            write_state(each.file, each.state)

        self._for_each("logging", log)

    def describe(self, texts: Mapping[str, str], step: int) -> None:
        """Add texts that belong to the numbers of a step, such as the fingerprint of a checkpoint."""
        self._for_each("describing", lambda each: each.backend.describe(texts, step))

    def close(self) -> None:
        """Close every tracker."""
        self._for_each("closing", lambda each: each.backend.close())
        self._open.clear()

    def _for_each(self, doing: str, act: Callable[[_Open], None]) -> None:
        for name, each in list(self._open.items()):
            try:
                with contained(doing):
                    act(each)
            except TaskError as error:
                del self._open[name]
                self._note(f"warning: {name} has failed and gets nothing more: {error}; the run goes on")
