"""One run: plan, encode once, score, record. The command line is a thin caller of ``evaluate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from goldieval.core.containment import contained
from goldieval.core.environment import pick_device
from goldieval.core.errors import GoldievalError, NotApplicableError, TaskError
from goldieval.core.offline import offline as without_network
from goldieval.core.timing import timed
from goldieval.data.roots import data_root
from goldieval.engine.arguments import models_of, task_names
from goldieval.engine.check import check_settings
from goldieval.engine.describe import Describer
from goldieval.engine.embeddings import Embeddings, LookedUpEmbeddings, NoEmbeddings, StoredEmbeddings
from goldieval.engine.options import Options, checked
from goldieval.engine.plan import Item, Plan, Reader, plan_towers
from goldieval.engine.reporter import Reporter
from goldieval.engine.store import open_store
from goldieval.engine.task_run import LoadedTaskRun
from goldieval.families.base import Scored
from goldieval.families.similarity import check_requested_mode
from goldieval.models.adapter import Adapter, LoadOptions, Model, ModelInfo, Precomputed, checked_info, load
from goldieval.models.inputs import Batching
from goldieval.models.spec import ModelSpec
from goldieval.records.files import write_record
from goldieval.records.results import Results
from goldieval.records.schema import Record
from goldieval.scoring.cosine import exact
from goldieval.scoring.mode import one_mode
from goldieval.tasks.catalogue import Catalogue

NO_PICTURES = "this task has ids but no pictures: run it with --model embeddings:FOLDER."


def evaluate(
    model: str | Path | Model | Sequence[str | Path | Model],
    tasks: str | Path | Sequence[str | Path],
    *,
    out: str | Path | None = "results",
    data_dir: str | Path | None = None,
    tasks_dir: str | Path | None = None,
    device: str = "auto",
    precision: str = "fp32",
    batching: Batching = Batching(),
    overrides: Mapping[str, Any] = MappingProxyType({}),
    limit: int | None = None,
    allow_bad: int = 0,
    cache: bool = True,
    offline: bool = False,
    dry_run: bool = False,
    scoring: str | None = None,
    subset: str = "",
    save_images: int = 0,
    options: Options | None = None,
    reporter: Reporter | None = None,
) -> Results:
    """Evaluate a model on tasks; return one record per task, also for those that failed.

    Whatever is raised while one task is read, encoded or scored is that task's failure, and the others go on. A task
    that a suite names and that does not apply to the model (it has no decoder, say) has no record; named by itself it
    fails. Of several models, one that cannot be loaded is left out; ``Results.models_failed`` holds the reason.

    Args:
        model: a spec (a glob over checkpoints gives several models), a loaded adapter, see ``from_module``, or several
            of them. Data are read once, however many models meet them.
        tasks: task ids, suites, globs or card paths, as a list or separated by commas.
        out: folder for the records, or None to write none.
        data_dir: folder of the data; else ``$GOLDIEVAL_DATA``, else the cache.
        tasks_dir: folder with task cards of your own.
        device: auto, cpu, cuda, cuda:N or mps; for models that are loaded here.
        precision: fp32, bf16 or fp16, of the encoders; scores are always fp32.
        batching: images and texts in a batch, and threads that read and decode.
        overrides: parameters of the cards to replace, as ``--set`` does.
        limit: only that many images of each task, marked as a subset.
        allow_bad: unreadable pictures of a task that may be left out.
        cache: use and keep embeddings.
        offline: open no socket; what is not on this machine is an error.
        dry_run: plan only, and return no record.
        scoring: global, conditioned or shortlist:K for all tasks that compare images with texts; None leaves it to
            the cards and the model.
        subset: "present" leaves out images whose picture file is missing, marked as a subset.
        save_images: pictures of each segmentation to write, with truth and prediction.
        options: all of these at once, from ``out`` to ``save_images``, instead of the keywords.
        reporter: shows what happens; without one, only what would be missed is reported, as a warning.

    Raises:
        GoldievalError: bad input that concerns the whole run, or no model that can be evaluated.
    """
    settings: dict[str, Any] = {
        "out": out,
        "data_dir": data_dir,
        "tasks_dir": tasks_dir,
        "device": device,
        "precision": precision,
        "batching": batching,
        "overrides": overrides,
        "limit": limit,
        "allow_bad": allow_bad,
        "cache": cache,
        "offline": offline,
        "dry_run": dry_run,
        "scoring": scoring,
        "subset": subset,
        "save_images": save_images,
    }
    asked, usual = checked(settings), Options()
    if options is not None and (given := [name for name in settings if getattr(asked, name) != getattr(usual, name)]):
        raise GoldievalError(f"evaluate: options and {', '.join(given)} are both given: name each setting once.")
    options = options or asked
    models = models_of(model)
    with without_network(options.offline):
        return _Run(options, task_names(tasks), reporter or Reporter()).all(models)


class _Run:
    """What the models of one run share: settings, cards, and data that are read once."""

    def __init__(self, options: Options, names: list[str], reporter: Reporter) -> None:
        scoring = one_mode(options.scoring, options.overrides.get("scoring"))
        overrides = {key: value for key, value in options.overrides.items() if key != "scoring"}
        options = replace(options, scoring=scoring, overrides=overrides)
        self.options, self.names, self.reporter = options, names, reporter
        self.catalogue = Catalogue(options.tasks_dir)
        self.device = pick_device(options.device)
        workers = options.batching.workers
        self.reader = Reader(data_root(options.data_dir), options.limit, workers, options.scoring, options.subset)
        self._report_unreadable_cards()
        check_settings(self.catalogue.select(names), options)

    def _report_unreadable_cards(self) -> None:
        if not self.names:
            raise GoldievalError("no tasks named. See: goldieval ls tasks")
        selection = self.catalogue.select(self.names)
        for name, why in (self.catalogue.broken | selection.broken).items():
            self.reporter.card_unreadable(why, asked=name in selection.broken)

    def all(self, models: Sequence[ModelSpec | Model]) -> Results:
        """Run all tasks on each model.

        Raises:
            GoldievalError: none of the models can be evaluated.
        """
        if len(models) == 1:
            return Results(self.model(models[0]))
        records: list[Record] = []
        lost: dict[str, str] = {}
        for model in models:
            spec = model.text if isinstance(model, ModelSpec) else type(model).__name__
            try:
                with contained("evaluating it"):
                    records += self.model(model)
            except TaskError as error:
                lost[spec] = str(error)
                self.reporter.model_failed(spec, lost[spec])
        if models and len(lost) == len(models):
            first = next(iter(lost.values()))
            raise GoldievalError(f"none of the {len(models)} models can be evaluated; the first: {first}")
        return Results(records, models_failed=lost)

    def model(self, model: ModelSpec | Model) -> list[Record]:
        """Run all tasks on one model."""
        seconds: dict[str, float] = {}
        loaded, info = self._loaded(model, seconds)
        check_requested_mode(self.options.scoring, loaded, info.spec)
        with timed(seconds, "read_data"):
            selection = self.catalogue.select(self.names, info.home)
            selection.tasks = [task.override(self.options.overrides) for task in selection.tasks]
            plan = Plan(info, *self.reader.items(selection))
        for item in list(plan.items):
            _check_item(item, loaded, plan)
        with open_store(self.options.cache) as store:
            if isinstance(loaded, Adapter):
                plan_towers(plan, store)
            self.reporter.plan(plan)
            if self.options.dry_run:
                return []
            embeddings = self._embeddings(loaded, plan, seconds)
            describer = Describer(loaded, info, self.options, self.device, embeddings)
            made = [self._record(item, plan, loaded, embeddings, describer, seconds) for item in list(plan.items)]
        records = [record for record in made if record is not None]
        self.reporter.finished(plan, records)
        return records

    def _loaded(self, model: ModelSpec | Model, seconds: dict[str, float]) -> tuple[Model, ModelInfo]:
        """Load and describe a model. Raises GoldievalError, whatever its adapter raises."""
        options = self.options
        load_options = LoadOptions(self.device, options.precision, options.offline, self.reporter.note)
        with timed(seconds, "load_model"):
            if not isinstance(model, ModelSpec):
                return model, checked_info(model)  # the caller's own: what it raises is the caller's too
            with contained(f"loading the model {model.text}"):
                loaded = load(model, load_options)
                return loaded, checked_info(loaded)

    def _embeddings(self, model: Model, plan: Plan, seconds: dict[str, float]) -> Embeddings:
        """Encode what is missing; where the model cannot encode at all, every task fails."""
        options = self.options
        if isinstance(model, Precomputed):
            return LookedUpEmbeddings(model, options.limit is not None or bool(options.subset))
        try:
            with contained("encoding", GoldievalError):
                return StoredEmbeddings(model, plan, options.batching, self.reporter, seconds)
        except TaskError as error:
            for item in plan.items:
                item.failure = item.failure or str(error)
            return NoEmbeddings(str(error))

    def _record(
        self,
        item: Item,
        plan: Plan,
        model: Model,
        embeddings: Embeddings,
        describer: Describer,
        run_seconds: Mapping[str, float],
    ) -> Record | None:
        """Score a task and write its record; None for a task that turns out not to apply to the model."""
        scored, loaded, seconds = None, item.loaded, dict(run_seconds)
        if loaded is not None and not item.failure:
            mode = item.scoring(plan.info)
            run = LoadedTaskRun(loaded, model, mode, self.device, embeddings, self.options, self.reporter, seconds)
            try:
                with timed(seconds, "score"), contained("scoring"), exact(self.device):
                    evidence = item.family.collect(run)
                    scored = item.family.score(run.prepared, evidence)
            except NotApplicableError as error:
                if plan.leave_out(item, str(error)):
                    return None
                item.failure = str(error)
            except TaskError as error:
                item.failure = str(error)
            loaded = run.loaded
        record, scored = describer.record(item, loaded, scored, seconds)
        if self.options.out is None:
            return record
        return self._written(self.options.out, record, scored, describer.requested_key(item, record))

    def _written(self, out: Path, record: Record, scored: Scored | None, asked: str) -> Record:
        """Write a record; return it, or the record of a failure with the same numbers where it cannot be written."""
        outcomes, pictures = (scored.outcomes, scored.pictures) if scored else (None, {})
        try:
            with contained("writing its record"):
                self.reporter.wrote(record, write_record(out, record, outcomes, pictures, asked))
                return record
        except TaskError as error:
            failed = record.model_copy(update={"status": "failed", "reason": str(error)})
        with suppress(TaskError), contained("writing its failure"):
            bare = failed.model_copy(update={"metrics": {}, "classes": {}, "approximation": {}, "probe": None})
            self.reporter.wrote(bare, write_record(out, bare, None))
        return failed


def _check_item(item: Item, model: Model, plan: Plan) -> None:
    """Check, before any work, that a task applies to the model: one of a suite is left out, one by name fails."""
    if item.loaded is None:
        return
    try:
        with contained("preparing"):
            if isinstance(model, Adapter) and item.loaded.pictureless:
                raise NotApplicableError(NO_PICTURES)
            item.family.check_model(model, item.scoring(plan.info))
    except NotApplicableError as error:
        if not plan.leave_out(item, str(error)):
            item.failure = str(error)
    except TaskError as error:
        item.fail(error)
