"""One run: plan, encode once, score, record. The command line is a thin caller of ``evaluate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from goldieval.core.containment import contained, utf8_safe
from goldieval.core.environment import environment, pick_device
from goldieval.core.errors import GoldievalError, NotApplicableError, TaskError, did_you_mean
from goldieval.core.files import check_writable
from goldieval.core.offline import offline as without_network
from goldieval.data.roots import data_root
from goldieval.engine.arguments import models_of, task_names
from goldieval.engine.describe import data_part, run_part, task_part
from goldieval.engine.encode import Batching
from goldieval.engine.load import Loaded
from goldieval.engine.options import Options, checked
from goldieval.engine.plan import Item, Plan, Reader, plan_towers
from goldieval.engine.progress import Screen
from goldieval.engine.store import open_store
from goldieval.engine.truncation import cut_queries, truncation, truncation_warnings
from goldieval.engine.vectors import Vectors, check_applicable, computed, looked_up, timed, unusable
from goldieval.families.base import Scored, family_of
from goldieval.models.adapter import Adapter, LoadOptions, Model, ModelInfo, Precomputed, checked_info, load
from goldieval.models.spec import ModelSpec
from goldieval.records.files import sweep_results, write_record
from goldieval.records.keys import record_key, setting_key
from goldieval.records.parts import Ties, Truncation
from goldieval.records.results import Results
from goldieval.records.schema import ModelPart, Record, RunPart
from goldieval.scoring.cosine import exact
from goldieval.scoring.mode import needs_pool, one_mode
from goldieval.tasks.catalogue import Catalogue, Selection


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
    screen: Screen | None = None,
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
        screen: told what happens; silent where it is not given.

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
        return _Run(options, task_names(tasks), screen or Screen()).all(models)


class _Run:
    """What the models of one run share: settings, cards, and data that are read once."""

    def __init__(self, options: Options, names: list[str], screen: Screen) -> None:
        scoring = one_mode(options.scoring, options.overrides.get("scoring"))
        overrides = {key: value for key, value in options.overrides.items() if key != "scoring"}
        options = replace(options, scoring=scoring, overrides=overrides)
        self.options, self.names, self.screen = options, names, screen
        self.catalogue = Catalogue(options.tasks_dir)
        self.device = pick_device(options.device)
        if options.subset not in ("", "present"):
            raise GoldievalError(f"--subset {options.subset!r}: there is only present, the pictures that are here.")
        workers = options.batching.workers
        self.reader = Reader(data_root(options.data_dir), options.limit, workers, options.scoring, options.subset)
        if not names:
            raise GoldievalError("no tasks named. See: goldieval ls tasks")
        selection = self.catalogue.select(names)
        for name, why in (self.catalogue.broken | selection.broken).items():
            self.screen.broken(why, asked=name in selection.broken)
        _check_overrides(selection, options.overrides)
        for task in selection.tasks:
            task.override(options.overrides)
        if options.scoring is not None:
            _check_scoring(selection, options.scoring)
        if options.save_images and not any(task.card.family == "segmentation" for task in selection.tasks):
            raise GoldievalError("--save-images: none of these tasks is a segmentation, which alone makes pictures.")
        if options.out is not None and not options.dry_run:
            _check_out(options.out)

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
                self.screen.model_failed(spec, lost[spec])
        if models and len(lost) == len(models):
            first = next(iter(lost.values()))
            raise GoldievalError(f"none of the {len(models)} models can be evaluated; the first: {first}")
        return Results(records, models_failed=lost)

    def model(self, model: ModelSpec | Model) -> list[Record]:
        """Run all tasks on one model."""
        seconds: dict[str, float] = {}
        loaded, info = self._loaded(model, seconds)
        if needs_pool(self.options.scoring or "") and getattr(loaded, "pool", None) is None:
            raise GoldievalError(
                f"--scoring {self.options.scoring}: {info.spec} has no text-conditioned pooling; use --scoring global."
            )
        with timed(seconds, "read_data"):
            selection = self.catalogue.select(self.names, info.home)
            selection.tasks = [task.override(self.options.overrides) for task in selection.tasks]
            plan = Plan(info, *self.reader.items(selection))
        for item in list(plan.items):
            _check_item(item, loaded, plan)
        with open_store(self.options.cache) as store:
            if isinstance(loaded, Adapter):
                plan_towers(plan, store)
            self.screen.plan(plan)
            if self.options.dry_run:
                return []
            vectors = self._vectors(loaded, plan, seconds)
            made = [self._record(item, plan, vectors, dict(seconds)) for item in list(plan.items)]
        records = [record for record in made if record is not None]
        self.screen.finished(plan, records)
        return records

    def _loaded(self, model: ModelSpec | Model, seconds: dict[str, float]) -> tuple[Model, ModelInfo]:
        """Load and describe a model. Raises GoldievalError, whatever its adapter raises."""
        options = self.options
        told = LoadOptions(self.device, options.precision, options.offline, self.screen.note)
        with timed(seconds, "load_model"):
            if not isinstance(model, ModelSpec):
                return model, checked_info(model)  # the caller's own: what it raises is the caller's too
            with contained(f"loading the model {model.text}"):
                loaded = load(model, told)
                return loaded, checked_info(loaded)

    def _vectors(self, loaded: Model, plan: Plan, seconds: dict[str, float]) -> Vectors:
        """Return what the tasks are scored with; where the model cannot be used at all, every task fails."""
        options = self.options
        if isinstance(loaded, Precomputed):
            vectors = looked_up(loaded, options.limit is not None or bool(options.subset))
        else:
            try:
                with contained("encoding", GoldievalError):
                    vectors = computed(loaded, plan, options.batching, self.screen, seconds)
            except TaskError as error:
                for item in plan.items:
                    item.failure = item.failure or str(error)
                vectors = unusable(str(error))
        vectors.show = options.save_images
        return vectors

    def _record(self, item: Item, plan: Plan, vectors: Vectors, seconds: dict[str, float]) -> Record | None:
        """Score a task and write its record; None for a task that is left out after all."""
        scored, loaded, info = None, item.loaded, plan.info
        vectors.seconds.clear()
        if loaded is not None and not item.failure:
            try:
                with timed(seconds, "score"), contained("scoring"), exact(self.device):
                    mode = item.scoring(info)
                    loaded, evidence = vectors.evidence(loaded, mode, self.options.allow_bad, self.device)
                    scored = family_of(item.task.card.family).score(loaded.prepared, evidence)
            except NotApplicableError as error:
                if plan.leave_out(item, str(error)):
                    return None
                item.failure = str(error)
            except TaskError as error:
                item.failure = str(error)
        record, scored = self._described(item, info, loaded, scored, vectors, seconds)
        asked = setting_key(info, item.task, record.task.scoring, self.options.limit, self.options.subset)
        return self._written(record, scored, asked) if self.options.out is not None else record

    def _described(
        self,
        item: Item,
        info: ModelInfo,
        loaded: Loaded | None,
        scored: Scored | None,
        vectors: Vectors,
        seconds: dict[str, float],
    ) -> tuple[Record, Scored | None]:
        """Return the record; of a task that cannot be described after all, the one of its failure."""
        run = run_part(vectors, self.device, self.options.batching, seconds | vectors.seconds)
        failure = utf8_safe(item.failure)
        try:
            with contained("describing its result"):
                cut = _truncated(scored, loaded, vectors, info.context_length) if scored and loaded else None
                return self._describe(item, info, loaded, scored, failure, run, cut), scored
        except TaskError as error:
            return self._describe(item, info, None, None, failure or str(error), run, None), None

    def _written(self, record: Record, scored: Scored | None, asked: str) -> Record:
        """Write a record; return it, or the record of a failure with the same numbers where it cannot be written."""
        assert self.options.out is not None
        outcomes, pictures = (scored.outcomes, scored.pictures) if scored else (None, {})
        try:
            with contained("writing its record"):
                self.screen.wrote(record, write_record(self.options.out, record, outcomes, pictures, asked))
                return record
        except TaskError as error:
            failed = record.model_copy(update={"status": "failed", "reason": str(error)})
        with suppress(TaskError), contained("writing its failure"):
            bare = failed.model_copy(update={"metrics": {}, "classes": {}, "approximation": {}, "probe": None})
            self.screen.wrote(bare, write_record(self.options.out, bare, None))
        return failed

    def _describe(
        self,
        item: Item,
        info: ModelInfo,
        loaded: Loaded | None,
        scored: Scored | None,
        failure: str,
        run: RunPart,
        cut: Truncation | None,
    ) -> Record:
        limit = loaded.limit if loaded else self.options.limit
        subset = "" if loaded and loaded.present is None else self.options.subset
        task = task_part(item, info, loaded, limit, subset)
        data = data_part(item, loaded, scored)
        setting = setting_key(info, item.task, task.scoring, limit, subset)
        left_out = f"{len(data.unreadable):,} unreadable images left out" if data.unreadable else ""
        return Record(
            setting=setting,
            key=record_key(setting, data, task),
            status="failed" if failure else "partial" if left_out else "ok",
            reason=failure or left_out,
            model=ModelPart(**{name: getattr(info, name) for name in ModelPart.model_fields}),
            task=task,
            data=data,
            metrics=scored.metrics if scored else {},
            ties=scored.ties if scored else Ties(),
            approximation=scored.approximation if scored else {},
            classes=scored.classes if scored else {},
            truncation=cut,
            probe=scored.probe if scored else None,
            warnings=[*truncation_warnings(cut), *_notes(loaded), *scored.warnings] if scored else [],
            environment=environment(self.device),
            run=run,
        )


def _check_item(item: Item, model: Model, plan: Plan) -> None:
    """Leave a task out, or fail it where it was named, before any work is done for it that the model cannot end."""
    if item.loaded is None:
        return
    try:
        with contained("preparing"):
            check_applicable(model, item.loaded, item.scoring(plan.info))
    except NotApplicableError as error:
        if not plan.leave_out(item, str(error)):
            item.failure = str(error)
    except TaskError as error:
        item.fail(error)


def _truncated(scored: Scored, loaded: Loaded, vectors: Vectors, context: int) -> Truncation | None:
    """Return what the model's context cuts, and mark it in the outcomes where the model can tell."""
    counts = vectors.token_counts(loaded)
    if counts and "text" in scored.outcomes:
        texts = [text.text for text in loaded.prepared.dataset.texts]
        scored.outcomes["cut"] = cut_queries(scored.outcomes["text"].tolist(), texts, counts, context)
    return truncation(counts, context)


def _notes(loaded: Loaded | None) -> list[str]:
    """Return what of the data was left out, or looks wrong in them."""
    return loaded.prepared.dataset.notes if loaded else []


def _check_out(out: Path) -> None:
    try:
        check_writable(out)
        sweep_results(out)
    except OSError as error:
        raise GoldievalError(
            f"cannot write results to {out}: {error.strerror or error}. Name another --out."
        ) from error


def _check_overrides(selection: Selection, overrides: dict[str, Any]) -> None:
    """Refuse a ``--set`` key that no task of the run knows."""
    known = {name for task in selection.tasks for name in type(task.card.params).model_fields}
    for key in overrides:
        if key not in known:
            near = did_you_mean(key, known) or f" They have {', '.join(sorted(known))}."
            raise GoldievalError(f"--set {key}: none of these tasks has such a parameter.{near}")


def _check_scoring(selection: Selection, scoring: str) -> None:
    """Refuse a mode for a run in which nothing is compared."""
    if not any("scoring" in type(task.card.params).model_fields for task in selection.tasks):
        raise GoldievalError(f"--scoring {scoring}: none of these tasks compares images with texts; leave it out.")
