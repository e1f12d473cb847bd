"""Evaluation of each new checkpoint of a folder as it appears there, for a training that runs elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from goldieval.core.containment import contained
from goldieval.core.errors import GoldievalError, TaskError
from goldieval.core.group import Group
from goldieval.engine.checkpoint_files import SETTLED_S, WEIGHTS, Checkpoint, checkpoints_in
from goldieval.engine.reporter import Reporter
from goldieval.models.loading import check_family
from goldieval.models.spec import parse_spec, split_part
from goldieval.models.spec_text import with_where
from goldieval.tracking.trackers import TrackerError

FIRST_LOOKS_S = 2.0  # between two looks at a checkpoint that may still be written
GRACE_S = 60.0  # after the last change, in which a checkpoint that cannot be read may be incomplete


@dataclass(frozen=True)
class WatchOptions:
    """What to watch, and until when.

    Attributes:
        folder: the folder.
        every: seconds between two looks at it.
        until: number of checkpoints to evaluate; None for no limit.
        idle: seconds without a new checkpoint after which the watch ends; None for never.
        once: whether to look only once.
    """

    folder: Path
    every: float = 30.0
    until: int | None = None
    idle: float | None = None
    once: bool = False


@dataclass
class Watched:
    """What a watch has done.

    Attributes:
        evaluated: specs of the checkpoints that were evaluated.
        recorded: specs of those that had records already.
        broken: spec to reason, of those that could not be evaluated in their last state.
    """

    evaluated: list[str] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)


class Watch:
    """Evaluates the checkpoints of a folder as they appear.

    Attributes:
        done: what was done so far; also valid after Ctrl-C.
    """

    def __init__(
        self,
        model: str,
        options: WatchOptions,
        evaluate: Callable[[str], object],
        recorded: Callable[[str, float], bool],
        reporter: Reporter,
        looked: Callable[[], None] = lambda: None,
    ) -> None:
        """Check what to watch.

        Args:
            model: spec without WHERE, or with a glob in it that is relative to the folder.
            options: the folder, and until when.
            evaluate: evaluates the model of a spec.
            recorded: returns whether a spec whose file changed at a time has its records already.
            reporter: says what is watched, skipped and broken.
            looked: called after every look, as a sign of life.

        Raises:
            GoldievalError: the folder does not exist, or the spec is a file, or has an unknown family or option.
        """
        self._options, self._evaluate, self._recorded, self._reporter = options, evaluate, recorded, reporter
        self._looked = looked
        if not options.folder.is_dir():
            raise GoldievalError(f"--watch {options.folder}: there is no such folder. Create it before the training.")
        self._model, self._pattern = model, pattern_of(model, options.folder)
        check_family(parse_spec(model))
        self._seen: dict[Path, Checkpoint] = {}
        self._tried: dict[Path, Checkpoint] = {}
        self._handled: dict[Path, Checkpoint] = {}
        self._active = time.monotonic()  # when there was something new
        self.done = Watched()

    def run(self) -> None:
        """Watch until the end that the options set, or Ctrl-C."""
        options = self._options
        what = self._pattern or f"files *{', *'.join(WEIGHTS)}, and folders with such files"
        self._reporter.note(f"watching {options.folder} for {what}, every {options.every:g} s; Ctrl-C ends it")
        self._active = time.monotonic()
        while True:
            unsettled = self._look()
            self._looked()
            if self._is_over(unsettled, time.monotonic() - self._active):
                return
            time.sleep(min(options.every, FIRST_LOOKS_S) if unsettled else options.every)

    def _has_enough(self) -> bool:
        return self._options.until is not None and len(self.done.evaluated) >= self._options.until

    def _is_over(self, unsettled: bool, quiet_s: float) -> bool:
        options = self._options
        return (
            self._has_enough()
            or (options.once and not unsettled)
            or (options.idle is not None and quiet_s >= options.idle)
        )

    def _look(self) -> bool:
        """Evaluate what is complete and new; return whether something may still be written."""
        found = checkpoints_in(self._options.folder, self._pattern)
        pending = [each for each in found if self._handled.get(each.path) != each]
        complete = [each for each in pending if self._is_complete(each)]
        if any(self._tried.get(each.path) != each for each in pending):
            self._active = time.monotonic()
        self._seen = {each.path: each for each in found}
        for checkpoint in complete:
            if self._has_enough():
                return False
            started = time.monotonic()
            self._handle(checkpoint)
            self._active += time.monotonic() - started  # not time without a new one
        return len(complete) < len(pending)

    def _is_complete(self, checkpoint: Checkpoint) -> bool:
        """Return whether a checkpoint is unchanged since the last look, or was finished before the first one."""
        before = self._seen.get(checkpoint.path)
        return before == checkpoint or (before is None and time.time() - checkpoint.changed > SETTLED_S)

    def _handle(self, checkpoint: Checkpoint) -> None:
        spec = spec_of(self._model, checkpoint.path)
        if self._recorded(spec, checkpoint.changed):
            self._handled[checkpoint.path] = checkpoint
            self.done.recorded.append(spec)
            self._reporter.note(f"{spec}: has its records already")
            return
        try:
            with contained("evaluating it"):
                self._evaluate(spec)
        except TaskError as error:
            if isinstance(error.__cause__, TrackerError):  # not the fault of this checkpoint
                raise error.__cause__ from None
            self._note_failure(spec, checkpoint, str(error))
        else:
            self._handled[checkpoint.path] = checkpoint
            self.done.broken.pop(spec, None)
            self.done.evaluated = [*dict.fromkeys([*self.done.evaluated, spec])]
        self._tried[checkpoint.path] = checkpoint

    def _note_failure(self, spec: str, checkpoint: Checkpoint, reason: str) -> None:
        """Report a checkpoint that cannot be evaluated; one that was changed just now is tried again at every look."""
        self.done.broken[spec] = reason
        if time.time() - checkpoint.changed > GRACE_S:
            self._handled[checkpoint.path] = checkpoint
            self._reporter.model_failed(spec, f"{reason} (it is tried again when it changes)")
        elif self._tried.get(checkpoint.path) != checkpoint:
            self._reporter.note(f"{spec}: not readable yet, and tried again: {reason}")


def announced(group: Group, evaluate: Callable[[str], object]) -> Callable[[str], object]:
    """Return the function by which rank 0 evaluates a model together with the ranks that ``follow`` it.

    Args:
        group: all ranks.
        evaluate: evaluates the model of a spec, as one of these ranks.
    """

    def both(spec: str) -> object:
        group.broadcast(spec)
        return evaluate(spec)

    return both


def follow(group: Group, evaluate: Callable[[str], object]) -> None:
    """Evaluate, as another rank than 0, every model that rank 0 announces, until it announces the empty string."""
    while spec := group.broadcast(""):
        with suppress(TaskError), contained("evaluating it"):  # rank 0 reports it
            evaluate(spec)


def pattern_of(model: str, folder: Path) -> str:
    """Return the glob in a spec's WHERE, relative to the folder that is watched; empty if the spec has none.

    Raises:
        GoldievalError: the spec has a place elsewhere, or is a Python file.
    """
    spec = parse_spec(model)
    if spec.family == "file":
        raise GoldievalError(f"--watch: {model!r} is a Python file; watch checkpoints of a family, such as goldiclip.")
    where, _ = split_part(os.path.expanduser(spec.where))
    below = os.path.relpath(where, folder) if where else ""
    if not below.startswith(".."):
        return below
    if os.path.isabs(where) or ".." in Path(where).parts:
        raise GoldievalError(
            f"--watch {folder}: {spec.where} is not in it. Write a pattern, such as {spec.family}@*.pt."
        )
    return where


def spec_of(model: str, path: Path) -> str:
    """Return the spec of one checkpoint.

    >>> spec_of("open_clip:ViT-B-16::size=384", Path("runs/epoch_1.pt"))
    'open_clip:ViT-B-16@runs/epoch_1.pt::size=384'
    """
    spec = parse_spec(model)
    part = split_part(spec.where)[1]
    return with_where(spec, f"{path}#{part}" if part else str(path))
