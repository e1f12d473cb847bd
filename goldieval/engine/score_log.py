"""Scores of evaluated models in experiment trackers: checkpoints of one training are one curve."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from goldieval.core.errors import GoldievalError
from goldieval.engine.options import Options
from goldieval.engine.plan import Plan
from goldieval.models.adapter import ModelInfo
from goldieval.records.schema import Record
from goldieval.records.series import series_of, step_in
from goldieval.tracking.backend import Value
from goldieval.tracking.scores import protocol_line, scores_of
from goldieval.tracking.trackers import TrackerError, Trackers

FACTS = ("family", "precision", "parameters", "resolution", "context_length", "home", "notice", "recipe", "seed")


class ScoreLog:
    """Logs the scores of one model after the other; without names of trackers it does nothing.

    A model's step is the number of images that it has seen in training, else the step or epoch in the name of its
    checkpoint. A run in a tracker is continued as long as checkpoints of the same series come with larger steps, also
    by a later command with the same folder; any other model begins a new run.
    """

    def __init__(self, names: Sequence[str], out: Path | None, note: Callable[[str], None]) -> None:
        """Open nothing yet.

        Args:
            names: names of the trackers, see ``tracker_names``.
            out: folder of the records; the trackers keep their files in ``trackers`` below it.
            note: called with lines for the user.

        Raises:
            GoldievalError: there is no folder for the files of the trackers.
        """
        if names and out is None:
            raise GoldievalError(
                f"log={', '.join(names)} needs a folder for the files of the tracker: give out=FOLDER."
            )
        self._names = names if not names or _is_main_process() else ()
        self._folder, self._note = (out or Path()) / "trackers", note
        self._trackers: Trackers | None = None
        self._series, self._step, self._was_open = "", 0, False

    def __enter__(self) -> ScoreLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def begin(self, plan: Plan, options: Options) -> None:
        """Open or continue the run of a model, before any of its work is done.

        Raises:
            TrackerError: a tracker cannot be opened for the first model; later this is a note.
        """
        if not self._names:
            return
        info, seen = plan.info, plan.info.images_seen
        series, step = series_of(info.spec, seen is not None), seen if seen is not None else step_in(info.spec)
        step = step or 0
        if self._trackers is not None and series == self._series and step > self._step:
            self._step = step
            return
        self._close()
        self._series, self._step = series, step
        try:
            self._trackers = Trackers(
                self._names,
                run=series,
                folder=self._folder,
                config=_config(plan, series, options),
                axis="step" if seen is None else "images_seen",
                continues=lambda last: step > last,
                note=self._note,
            )
        except TrackerError as error:
            if not self._was_open:
                raise
            self._note(f"warning: the scores of {info.spec} are not logged: {error}")
        self._was_open = True

    def scores(self, info: ModelInfo, records: Sequence[Record]) -> None:
        """Log the scores of the model for which ``begin`` was called."""
        if self._trackers is None:
            return
        self._trackers.describe({"checkpoint": f"{info.spec} {info.fingerprint}"}, self._step)
        if found := scores_of(records):
            self._trackers.log(found, self._step)

    def _close(self) -> None:
        if self._trackers is not None:
            self._trackers.close()
        self._trackers = None


def _config(plan: Plan, series: str, options: Options) -> Mapping[str, Value]:
    """Return what is known of a model and its tasks before it is evaluated."""
    info = plan.info
    facts = {name: value for name in FACTS if (value := getattr(info, name)) not in (None, "")}
    protocols = {
        f"protocol/{planned.task.name}": protocol_line(
            planned.task.protocol, planned.scoring(info), options.limit, options.subset
        )
        for planned in plan.tasks
        if not planned.failure
    }
    return {"model": series, "fingerprint": info.fingerprint, **facts, **protocols}


def _is_main_process() -> bool:
    """Return whether this process is the one that logs; accelerate's state is set up in all of them."""
    from accelerate import PartialState

    PartialState()
    return os.environ.get("RANK", "0") == "0"
