"""Evaluate models on tasks: plan, encode once, score, record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path

from goldieval.core.containment import contained
from goldieval.core.environment import device_identity, pick_device
from goldieval.core.errors import ChangedModelError, GoldievalError, TaskError
from goldieval.core.meter import displaying
from goldieval.core.processes.group import OneProcess, Ranks
from goldieval.core.processes.join import Place
from goldieval.core.stop import check_stop, saving_work
from goldieval.core.timing import timed
from goldieval.data.remembered import reading_once
from goldieval.data.roots import data_root, store_root
from goldieval.engine.applicable import NO_EMBEDDINGS, check_applicable, restated
from goldieval.engine.averages import averages_of_run, results_of
from goldieval.engine.check import check_settings
from goldieval.engine.describe import Describer
from goldieval.engine.embeddings import Embeddings, LookedUpEmbeddings, NoEmbeddings, StoredEmbeddings
from goldieval.engine.options import Options
from goldieval.engine.plan import Plan, PlannedTask, plan_towers
from goldieval.engine.reporter import Reporter
from goldieval.engine.score_log import ScoreLog
from goldieval.engine.shards import WHOLE, Shard, division_note
from goldieval.engine.store import open_store
from goldieval.engine.task_loader import TaskLoader
from goldieval.engine.task_scorer import TaskScorer
from goldieval.families.base import Scored
from goldieval.families.similarity import check_requested_mode
from goldieval.models.adapter import Adapter, LoadOptions, Model, ModelInfo, Precomputed
from goldieval.models.checked_info import checked_info
from goldieval.models.remembered import description_memory, load_described
from goldieval.models.spec import ModelSpec
from goldieval.records.files import read_record
from goldieval.records.results import Results
from goldieval.records.schema import Record
from goldieval.records.writing import write_record
from goldieval.scoring.mode import one_mode
from goldieval.tasks.catalogue import Catalogue
from goldieval.tracking.trackers import TrackerError


class Evaluator:
    """Evaluates models on the tasks of one run; the tasks' data are read once for all models.

    Attributes:
        options: settings of the run.
        names: names of the tasks.
        reporter: shows the progress.
        catalogue: all task cards.
        device: device of the models and of scoring.
        loader: loads the tasks.
    """

    def __init__(
        self,
        options: Options,
        names: list[str],
        reporter: Reporter,
        score_log: ScoreLog,
        ranks: Ranks = OneProcess(),
        place: Place = Place(),
    ) -> None:
        """Check the settings of a run.

        Args:
            options: settings of the run.
            names: names of the tasks.
            reporter: shows the progress.
            score_log: logs the scores in the trackers that the caller names.
            ranks: the processes that share the work.
            place: place of this process on its machine.

        Raises:
            GoldievalError: the settings do not fit the tasks, or a task does not exist.
        """
        scoring = one_mode(options.scoring, options.overrides.get("scoring"))
        overrides = {key: value for key, value in options.overrides.items() if key != "scoring"}
        options = replace(options, scoring=scoring, overrides=overrides)
        self.options, self.names, self.reporter = options, names, reporter
        self._score_log, self._ranks = score_log, ranks
        self.catalogue = Catalogue(options.tasks_dir)
        self.device = pick_device(options.device, place.rank, place.size)
        workers = options.batching.workers
        self.loader = TaskLoader(
            data_root(options.data_dir), options.limit, workers, options.scoring, options.subset, ranks
        )
        self._report_unreadable_cards()
        check_settings(self.catalogue.select(names), options)

    def _report_unreadable_cards(self) -> None:
        if not self.names:
            raise GoldievalError("no tasks named. See: goldieval ls tasks")
        selection = self.catalogue.select(self.names)
        for name, reason in (self.catalogue.errors | selection.errors).items():
            self.reporter.card_unreadable(reason, requested=name in selection.errors)

    def evaluate(self, models: Sequence[ModelSpec | Model]) -> Results:
        """Evaluate each model on all tasks.

        Raises:
            GoldievalError: none of the models can be evaluated.
        """
        shard = self.options.shard or WHOLE
        own = shard.models(models)
        if note := division_note(self.options.shard, len(models), len(own)):
            self.reporter.note(note)
        store = store_root() if self.options.cache else None
        with displaying(self.reporter.display), reading_once(store, self._ranks.size):
            return self._evaluate_each(own)

    def _evaluate_each(self, models: Sequence[tuple[ModelSpec | Model, Shard]]) -> Results:
        if len(models) == 1:
            return results_of(self.evaluate_model(*models[0]))
        records: list[Record] = []
        failed: dict[str, str] = {}
        for model, part in models:
            spec = model.text if isinstance(model, ModelSpec) else type(model).__name__
            try:
                with contained("evaluating it"):
                    records += self.evaluate_model(model, part)
            except (TaskError, ChangedModelError) as error:
                if isinstance(error.__cause__, TrackerError):  # not the fault of this model
                    raise error.__cause__ from None
                failed[spec] = str(error)
                self.reporter.model_failed(spec, failed[spec])
        if models and len(failed) == len(models):
            first = next(iter(failed.values()))
            raise GoldievalError(f"none of the {len(models)} models can be evaluated; the first: {first}")
        return results_of(records, failed)

    def evaluate_model(self, model: ModelSpec | Model, part: Shard = WHOLE) -> list[Record]:
        """Evaluate one model on all tasks, or on a part of them; every rank returns the same records.

        The averages of suites are the last ones.
        """
        with self._ranks.told(), saving_work() if self._ranks.size > 1 else nullcontext():
            check_stop()
            return self._ranks.broadcast(self._evaluate_share(model, part))

    def _evaluate_share(self, model: ModelSpec | Model, part: Shard) -> list[Record]:
        """Do this rank's share of the evaluation of a model; return its records on rank 0."""
        seconds: dict[str, float] = {}
        with self._ranks.together("loading the model"):
            loaded, info = self._load_model(model, seconds)
        self._ranks.check_same(
            "models",
            {
                "device": device_identity(self.device),
                "weights (fingerprint)": info.fingerprint[:16],
                "image tower": info.image_identity[:16],
                "text tower": info.text_identity[:16],
            },
        )
        check_requested_mode(self.options.scoring, loaded, info.spec)
        selection = part.selection(self.catalogue.select(self.names, info.home))
        if not selection.tasks and part != WHOLE:
            self.reporter.note(f"shard {self.options.shard}: nothing to do, more jobs than tasks of {info.spec}")
            return []
        with timed(seconds, "read_data"):
            selection.tasks = [task.override(self.options.overrides) for task in selection.tasks]
            tasks, skipped = self.loader.load(selection)
            skipped = restated(skipped, loaded)
            plan = Plan(info, tasks, skipped, group_size=self._ranks.size, batching=self.options.batching)
        for planned in list(plan.tasks):
            check_applicable(planned, loaded, plan)
        with open_store(self.options.cache) as store, saving_work():
            if isinstance(loaded, Adapter):
                plan_towers(plan, store, self._ranks)
            self.reporter.plan(plan)
            if self.options.dry_run:
                return []
            if self._ranks.rank == 0:
                self._score_log.begin(plan, self.options)
            embeddings = self._embeddings(loaded, plan, seconds)
            describer = Describer(loaded, info, self.options, self.device, embeddings, self._ranks.size)
            scorer = TaskScorer(
                loaded,
                plan,
                embeddings,
                self.options,
                device=self.device,
                reporter=self.reporter,
                ranks=self._ranks,
                store=store,
            )
            results = [self._evaluate_task(planned, scorer, describer, seconds) for planned in list(plan.tasks)]
        records = [record for record in results if record is not None]
        if self._ranks.rank == 0:
            records += averages_of_run(records, selection.averages, self.catalogue.tasks, self.options.out, part)
            self.reporter.finished(plan, records)
            self._score_log.scores(info, records)
        return records

    def _load_model(self, model: ModelSpec | Model, seconds: dict[str, float]) -> tuple[Model, ModelInfo]:
        """Load and describe a model. Raises GoldievalError for any error of its adapter."""
        options = self.options
        load_options = LoadOptions(self.device, options.precision, options.offline, self.reporter.note)
        with timed(seconds, "load_model"):
            if not isinstance(model, ModelSpec):
                return model, checked_info(model)  # the caller's object: its exceptions are for the caller
            with contained(f"loading the model {model.text}"):
                return load_described(model, load_options, description_memory() if options.cache else None)

    def _embeddings(self, model: Model, plan: Plan, seconds: dict[str, float]) -> Embeddings:
        """Encode what is missing; if the model fails at that, every task does. A model may have no embeddings."""
        options = self.options
        if not isinstance(model, Adapter | Precomputed):
            return NoEmbeddings(NO_EMBEDDINGS)
        if isinstance(model, Precomputed):
            return LookedUpEmbeddings(model, options.limit is not None or bool(options.subset))
        try:
            with contained("encoding", GoldievalError):
                return StoredEmbeddings(model, plan, options.batching, self.reporter, seconds, self._ranks)
        except TaskError as error:
            for planned in plan.tasks:
                planned.failure = planned.failure or str(error)
            return NoEmbeddings(str(error))

    def _evaluate_task(
        self, planned: PlannedTask, scorer: TaskScorer, describer: Describer, seconds: Mapping[str, float]
    ) -> Record | None:
        """Score a task and write its record; return it on rank 0, and None if the task does not apply to the model."""
        check_stop()
        result = scorer.score(planned, seconds)
        if result is None or self._ranks.rank:
            return None
        record, scored = describer.record(planned, result.loaded, result.scored, result.seconds)
        if self.options.out is not None:
            record = self._write(self.options.out, record, scored, describer.requested_setting(planned, record))
        if record.status != "failed":
            result.parts.remove()
        return record

    def _write(self, out: Path, record: Record, scored: Scored | None, requested_setting: str) -> Record:
        """Write a record and return it; if it cannot be written, return the record of that failure with its metrics."""
        outcomes, pictures, beside = (scored.outcomes, scored.pictures, scored.files) if scored else (None, {}, {})
        try:
            with contained("writing its record"):
                path = write_record(out, record, outcomes, pictures, requested_setting, beside)
                self.reporter.wrote(record, path)
                return record.model_copy(update={"files": read_record(path).files}) if beside else record
        except TaskError as error:
            failed = record.model_copy(update={"status": "failed", "reason": str(error)})
        with suppress(TaskError), contained("writing its failure"):
            stored = failed.model_copy(
                update={"metrics": {}, "classes": {}, "approximation": {}, "probe": None, "calibration": None}
            )
            self.reporter.wrote(stored, write_record(out, stored, None))
        return failed
