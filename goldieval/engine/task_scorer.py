"""Score the tasks of one model: the family collects its evidence on all ranks, and rank 0 computes the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from goldieval.core.containment import contained
from goldieval.core.errors import NotApplicableError, TaskError
from goldieval.core.processes.group import Ranks
from goldieval.core.stop import check_stop
from goldieval.core.timing import timed
from goldieval.core.units import one_thread
from goldieval.engine.embeddings import Embeddings
from goldieval.engine.load import LoadedTask
from goldieval.engine.options import Options
from goldieval.engine.parts import open_parts
from goldieval.engine.plan import Plan, PlannedTask
from goldieval.engine.reporter import Reporter
from goldieval.engine.store import Store
from goldieval.engine.task_run import LoadedTaskRun
from goldieval.families.base import Scored
from goldieval.families.finished import NoParts, Parts
from goldieval.models.adapter import Model
from goldieval.scoring.cosine import exact


@dataclass(frozen=True)
class TaskResult:
    """What became of a task.

    Attributes:
        loaded: its samples without the pictures that were left out; None if they could not be read.
        scored: its results; None on ranks other than 0, and if it failed.
        seconds: wall time by phase, of the run and of the task.
        parts: finished parts of its work, to be removed once the record is written.
    """

    loaded: LoadedTask | None
    scored: Scored | None
    seconds: dict[str, float]
    parts: Parts


class TaskScorer:
    """Scores the planned tasks of one model; all ranks score the same tasks in the same order."""

    def __init__(
        self,
        model: Model,
        plan: Plan,
        embeddings: Embeddings,
        options: Options,
        *,
        device: str,
        reporter: Reporter,
        ranks: Ranks,
        store: Store | None = None,
    ) -> None:
        """Set what the tasks have in common.

        Args:
            model: the model.
            plan: the plan of the run; a task that turns out not to apply is moved to its skipped tasks.
            embeddings: those of all tasks.
            options: settings of the run.
            device: device on which scores are computed.
            reporter: shows the progress.
            ranks: the processes that share the work.
            store: where large arrays are kept; None to keep none.
        """
        self._model, self._plan, self._embeddings, self._options = model, plan, embeddings, options
        self._device, self._reporter, self._ranks, self._store = device, reporter, ranks, store

    def score(self, planned: PlannedTask, run_seconds: Mapping[str, float]) -> TaskResult | None:
        """Score a task; an error of it becomes ``planned.failure``.

        Args:
            planned: the task.
            run_seconds: wall time of the run so far, by phase.

        Returns:
            What became of it; None if it is one of a suite and does not apply to the model.
        """
        loaded, seconds = planned.loaded, dict(run_seconds)
        if loaded is None or planned.failure:
            return TaskResult(loaded, None, seconds, NoParts())
        run = self._task_run(planned, loaded, seconds)
        scored = None
        try:
            with timed(seconds, "score"), contained("scoring"), exact(self._device):
                scored = self._score(planned, run)
        except NotApplicableError as error:
            if self._plan.skip(planned, str(error)):
                return None
            planned.failure = str(error)
        except TaskError as error:
            planned.failure = str(error)
        return TaskResult(run.loaded, scored, seconds, run.parts)

    def _task_run(self, planned: PlannedTask, loaded: LoadedTask, seconds: dict[str, float]) -> LoadedTaskRun:
        options, info = self._options, self._plan.info
        mode = planned.scoring(info)
        return LoadedTaskRun(
            loaded,
            self._model,
            mode,
            device=self._device,
            embeddings=self._embeddings,
            options=options,
            reporter=self._reporter,
            seconds=seconds,
            group=self._ranks,
            parts=open_parts(options.cache, info, loaded, mode, self._device, options.batching.images),
            logit_factor=info.in_mode(mode).logit_factor,
            store=self._store,
            info=info,
        )

    def _score(self, planned: PlannedTask, run: LoadedTaskRun) -> Scored | None:
        """Return the results of a task on rank 0, to which every rank contributes if the family divides its work."""
        family, first = planned.family, self._ranks.rank == 0
        if family.divides(run.mode):
            with self._ranks.together(f"evaluating {planned.task.name}"):
                evidence = family.collect(run)
        elif first:
            evidence = family.collect(run)
        if not first:
            return None
        check_stop()
        with one_thread():  # several would change the last bits
            scored: Scored = family.score(run.prepared, evidence)
        scored.settings = family.settings(run.prepared, self._model)
        return scored
