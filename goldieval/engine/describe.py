"""Build the record of one task evaluated with one model: what was run, on which data, how, and the results."""

from __future__ import annotations

from datetime import datetime, timezone

from goldieval.core.containment import contained, utf8_safe
from goldieval.core.environment import environment
from goldieval.core.errors import TaskError
from goldieval.data.duplicates import repeats
from goldieval.data.samples import Dataset
from goldieval.engine.command import command_line
from goldieval.engine.embeddings import Embeddings
from goldieval.engine.load import LoadedTask
from goldieval.engine.options import Options
from goldieval.engine.plan import PlannedTask
from goldieval.engine.token_memory import TokenCounts
from goldieval.engine.truncation import mark_truncated, truncation_warnings
from goldieval.families.base import Scored
from goldieval.models.adapter import Model, ModelInfo
from goldieval.models.languages import unread_languages
from goldieval.records.keys import record_key, setting_key
from goldieval.records.languages import language_warnings
from goldieval.records.parts import Duplicates, Ties, Truncation
from goldieval.records.schema import DataPart, ModelPart, Record, RunPart, TaskPart
from goldieval.tasks.card import Task
from goldieval.tasks.catalogue import is_shipped


class Describer:
    """Builds the records of one model."""

    def __init__(
        self,
        model: Model,
        info: ModelInfo,
        options: Options,
        device: str,
        embeddings: Embeddings,
        processes: int = 1,
    ) -> None:
        """Set what the records of all tasks have in common.

        Args:
            model: the model.
            info: its description.
            options: settings of the run.
            device: device on which the model ran.
            embeddings: counts what was encoded and reused.
            processes: number of processes that share the work.
        """
        self._info, self._options, self._device = info, options, device
        self._token_counts = TokenCounts(model, info.text_identity, options.cache)
        self._embeddings, self._processes = embeddings, processes

    def record(
        self, planned: PlannedTask, loaded: LoadedTask | None, scored: Scored | None, seconds: dict[str, float]
    ) -> tuple[Record, Scored | None]:
        """Return the record of a task with its results; the record of a failure if building it fails.

        Args:
            planned: the task, and its failure if it has one.
            loaded: its samples as they were scored, if they could be read.
            scored: its results, if it was scored.
            seconds: wall time by phase.
        """
        run, failure = self._run_part(planned.task, seconds), utf8_safe(planned.failure)
        try:
            with contained("describing its result"):
                cut = self._truncation(scored, loaded)
                return self._record(planned, loaded, scored, failure, run, cut), scored
        except TaskError as error:
            return self._record(planned, None, None, failure or str(error), run, None), None

    def requested_setting(self, planned: PlannedTask, record: Record) -> str:
        """Return the key of the requested setting, whether or not the limit and subset leave anything out."""
        options = self._options
        return setting_key(self._info, planned.task, record.task.scoring, options.limit, options.subset)

    def _truncation(self, scored: Scored | None, loaded: LoadedTask | None) -> Truncation | None:
        if scored is None or loaded is None:
            return None
        return mark_truncated(self._token_counts, loaded.prepared, scored.outcomes, self._info.context_length)

    def _unread_languages(self, task: Task) -> list[str]:
        """Return the languages of a card's texts that the tokenizer was not made for."""
        return unread_languages(getattr(task.card.params, "languages", ()), self._token_counts.of)

    def _record(
        self,
        planned: PlannedTask,
        loaded: LoadedTask | None,
        scored: Scored | None,
        failure: str,
        run: RunPart,
        cut: Truncation | None,
    ) -> Record:
        info, options = self._info, self._options
        limit = loaded.limit if loaded else options.limit
        subset = "" if loaded and loaded.present is None else options.subset
        unread = self._unread_languages(planned.task) if scored else []
        task, data = _task_part(planned, info, loaded, limit, subset), _data_part(planned, loaded, scored)
        settings = {**task.settings, **(scored.settings if scored else {})}
        task = task.model_copy(update={"unread_languages": unread, "settings": settings})
        setting = setting_key(info, planned.task, task.scoring, limit, subset)
        partial = f"{len(data.unreadable):,} unreadable images left out" if data.unreadable else ""
        notes = loaded.prepared.dataset.notes if loaded else []
        return Record(
            setting=setting,
            key=record_key(setting, data, task),
            status="failed" if failure else "partial" if partial else "ok",
            reason=failure or partial,
            model=ModelPart(**{name: getattr(info.in_mode(task.scoring), name) for name in ModelPart.model_fields}),
            task=task,
            data=data,
            metrics=scored.metrics if scored else {},
            ties=scored.ties if scored else Ties(),
            approximation=scored.approximation if scored else {},
            classes=scored.classes if scored else {},
            truncation=cut,
            probe=scored.probe if scored else None,
            calibration=scored.calibration if scored else None,
            warnings=[*language_warnings(task), *truncation_warnings(cut), *notes, *scored.warnings] if scored else [],
            environment=environment(self._device),
            run=run,
        )

    def _run_part(self, task: Task, seconds: dict[str, float]) -> RunPart:
        """Return how the task was run; the time is now."""
        batching = self._options.batching
        return RunPart(
            command=command_line(),
            card="" if is_shipped(task) else utf8_safe(str(task.file)),
            started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            device=self._device,
            batch={"images": batching.images, "texts": batching.texts},
            seconds={phase: round(value, 3) for phase, value in seconds.items()},
            encoded=self._embeddings.encoded,
            reused=self._embeddings.reused,
            processes=self._processes,
        )


def _task_part(
    planned: PlannedTask, info: ModelInfo, loaded: LoadedTask | None, limit: int | None, subset: str
) -> TaskPart:
    """Return what was run: card, resolved scoring mode, and subset of the data."""
    card = planned.task.card
    return TaskPart(
        name=card.name,
        family=card.family,
        version=card.version,
        protocol=planned.task.protocol + _subset_of_protocol(loaded),
        title=card.title,
        licence=card.licence,
        card_sha256=planned.task.hash,
        scoring=planned.scoring(info),
        overrides=planned.task.overrides,
        limit=limit,
        subset=subset,
        headline=card.headline,
        heading=planned.heading,
        **(loaded.prepared.details if loaded else {}),
    )


def _data_part(planned: PlannedTask, loaded: LoadedTask | None, scored: Scored | None) -> DataPart:
    """Return the data on which a task was run."""
    source = planned.task.card.source
    return DataPart(
        source=source.id or source.path or source.reader,
        origins=planned.origins,
        sha256=loaded.sha256 if loaded else "",
        prepared_sha256=loaded.prepared_sha256 if loaded else "",
        expected=planned.task.card.expect.model_dump(exclude_none=True),
        seen=loaded.seen if loaded else {},
        unreadable=loaded.unreadable if loaded else {},
        duplicates=_duplicates(loaded.prepared.dataset) if loaded else None,
        pixels=scored.pixels if scored else {},
    )


def _duplicates(dataset: Dataset) -> Duplicates | None:
    """Count the captions that several images share; None if the task does not retrieve images with texts."""
    if dataset.owner is None or dataset.positives is None:
        return None
    texts = [text.text for text in dataset.texts]
    stripped, raw = repeats([text.strip() for text in texts], dataset.owner), repeats(texts, dataset.owner)
    return Duplicates(
        captions=stripped.captions, images=stripped.images, raw_captions=raw.captions, raw_images=raw.images
    )


def _subset_of_protocol(loaded: LoadedTask | None) -> str:
    """Return the part of the protocol that names a subset, so that tables keep it in a column of its own."""
    if loaded is None or loaded.present is None:
        return ""
    total = loaded.seen["images"] + loaded.seen.get("train", 0)
    return f" + only the {loaded.present:,} of {total:,} pictures that are present"
