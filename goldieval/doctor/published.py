"""Published numbers of public checkpoints, run again here: reproduce one, then trust your own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from goldieval.core.environment import pick_device
from goldieval.core.errors import GoldievalError, listing
from goldieval.core.text import shell_argument
from goldieval.data.roots import data_root
from goldieval.data.source import tilde
from goldieval.doctor.check import Check, reason
from goldieval.engine.options import Options
from goldieval.engine.reporter import Reporter
from goldieval.engine.run import evaluate
from goldieval.models.checkpoints import Checkpoint, PublishedNumber, checkpoints
from goldieval.records.schema import Record
from goldieval.tasks.catalogue import load_task


@dataclass(frozen=True)
class PublishedEntry:
    """One published number of one checkpoint of the catalogue."""

    checkpoint: Checkpoint
    number: PublishedNumber

    @property
    def model(self) -> str:
        return self.checkpoint.model

    @property
    def task(self) -> str:
        return self.number.task

    @property
    def name(self) -> str:
        return f"{self.task} {self.number.metric}"


def entries(everything: bool = False) -> list[PublishedEntry]:
    """Return what is verified: the few quick numbers, or all of the catalogue.

    Raises:
        GoldievalError: the catalogue is broken.
    """
    every = [PublishedEntry(checkpoint, number) for checkpoint in checkpoints() for number in checkpoint.published]
    return [entry for entry in every if everything or entry.number.quick]


def checks(
    data_dir: Path | None = None,
    device: str = "auto",
    offline: bool = False,
    reporter: Reporter | None = None,
    everything: bool = False,
) -> list[Check]:
    """Evaluate every listed checkpoint on its tasks, each model loaded once, and compare.

    What could not be run is a failure too: a verification that did not happen verifies nothing.

    Raises:
        GoldievalError: ``data_dir`` is no folder, there is no such device, or the list itself is broken.
    """
    pick_device(device)
    options = Options(out=None, data_dir=data_dir, device=device, offline=offline)
    listed = sorted(entries(everything), key=lambda entry: entry.model)
    return [
        check
        for model, group in groupby(listed, key=lambda entry: entry.model)
        for check in _of_model(model, list(group), options, reporter)
    ]


def compare(entry: PublishedEntry, record: Record) -> Check:
    """Hold a record against a published number; the tolerance is what re-runs of the same weights have shown."""
    number = entry.number
    if record.status != "ok":
        return Check(entry.name, False, f"{entry.model}: {record.reason}")
    if number.metric not in record.metrics:
        found = f"{entry.task} gives no {number.metric}; it has {listing(record.metrics, 9)}"
        return Check(entry.name, False, found)
    ours = record.metrics[number.metric].value
    both = f"{ours:.4f} here, {number.value:.4f} published, tolerance {number.tolerance:g}"
    if abs(ours - number.value) <= number.tolerance + 1e-9:
        return Check(entry.name, True, f"{both} ({entry.model}; {number.source})")
    return Check(entry.name, False, f"{both} ({entry.model}; {number.source}). {diagnosis(record)}")


def diagnosis(record: Record) -> str:
    """Say what to look at, the most frequent causes first, with what this run used."""
    task = record.task
    seen = ", ".join(f"{count:,} {what}" for what, count in record.data.seen.items())
    prompts = f"prompts (SHA-256 {task.prompts_sha256[:12]})" if task.prompts_sha256 else "captions (no prompt added)"
    return (
        f"Look at: 1 split ({task.protocol}; {seen}); 2 {prompts}; 3 activation, 4 normalisation and 5 resize "
        f"({record.model.resolution} px), shown by:\ngoldieval doctor --model {shell_argument(record.model.spec)}"
    )


def _of_model(model: str, group: Sequence[PublishedEntry], options: Options, reporter: Reporter | None) -> list[Check]:
    """Run one model on those of its tasks whose data are here, so that no weights are fetched in vain."""
    lacking = {entry.task: _lacking(entry.task, options) for entry in group}
    runnable = [task for task, why in lacking.items() if not why]
    try:
        done = evaluate(model, runnable, options=options, reporter=reporter) if runnable else []
        records = {record.task.name: record for record in done}
    except Exception as error:  # the other models go on
        lacking |= dict.fromkeys(runnable, f"{reason(error).rstrip('.')}{_how_to_get_weights(model, options)}")
        records = {}
    return [
        compare(entry, records[entry.task])
        if entry.task in records
        else Check(entry.name, False, f"not verified, {lacking[entry.task]}")
        for entry in group
    ]


def _lacking(name: str, options: Options) -> str:
    """Return why a task cannot be run here and how to get its data, or nothing."""
    try:
        task = load_task(name)
    except GoldievalError as error:
        return str(error)
    source, folder = task.card.source, task.folder(data_root(options.data_dir))
    missing = (source.missing(folder) if folder.is_dir() else ["any file"]) if source.on_disk else []
    if not missing:
        return ""
    return f"no data: {tilde(folder)} lacks {listing(missing)}. To get it:\n{source.how_to_get(folder, task.name)}"


def _how_to_get_weights(model: str, options: Options) -> str:
    """Any run fetches named weights; under --offline that is the step to take first, elsewhere."""
    step = f"goldieval run --model {shell_argument(model)} --tasks shapes-zeroshot"
    return f". To get them, with a network:\n{step}" if options.offline else f". To try again:\n{step}"
