"""Verification of published numbers: public checkpoints are evaluated and compared with them."""

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
    """One published number of one checkpoint of the catalogue.

    Attributes:
        checkpoint: the checkpoint.
        number: the published number.
    """

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
    """Return the published numbers to verify: the quick ones, or all of the catalogue.

    Raises:
        GoldievalError: the catalogue is invalid.
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
    """Evaluate every checkpoint on its tasks, and compare; each model is loaded once.

    A number that could not be computed is a failed check, since nothing was verified.

    Raises:
        GoldievalError: ``data_dir`` is not a folder, the device does not exist, or the catalogue is invalid.
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
    """Compare a record with a published number, within the tolerance of the catalogue."""
    number = entry.number
    if record.status != "ok":
        return Check(entry.name, False, f"{entry.model}: {record.reason}")
    if number.metric not in record.metrics:
        finding = f"{entry.task} has no metric {number.metric}; it has {listing(record.metrics, 9)}"
        return Check(entry.name, False, finding)
    ours = record.metrics[number.metric].value
    both = f"{ours:.4f} here, {number.value:.4f} published, tolerance {number.tolerance:g}"
    if abs(ours - number.value) <= number.tolerance + 1e-9:
        return Check(entry.name, True, f"{both} ({entry.model}; {number.source})")
    return Check(entry.name, False, f"{both} ({entry.model}; {number.source}). {diagnosis(record)}")


def diagnosis(record: Record) -> str:
    """Return the most frequent causes of a difference, with the settings of this run."""
    task = record.task
    seen = ", ".join(f"{count:,} {what}" for what, count in record.data.seen.items())
    prompts = f"prompts (SHA-256 {task.prompts_sha256[:12]})" if task.prompts_sha256 else "captions (no prompt added)"
    return (
        f"Check: 1 split ({task.protocol}; {seen}); 2 {prompts}; 3 activation, 4 normalisation and 5 resize "
        f"({record.model.resolution} px), shown by:\ngoldieval doctor --model {shell_argument(record.model.spec)}"
    )


def _of_model(model: str, group: Sequence[PublishedEntry], options: Options, reporter: Reporter | None) -> list[Check]:
    """Evaluate a model on those of its tasks whose data are present; weights are not downloaded if there are none."""
    missing_data = {entry.task: _missing(entry.task, options) for entry in group}
    runnable = [task for task, why in missing_data.items() if not why]
    try:
        done = evaluate(model, runnable, options=options, reporter=reporter) if runnable else []
        records = {record.task.name: record for record in done}
    except Exception as error:  # the other models go on
        missing_data |= dict.fromkeys(runnable, f"{reason(error).rstrip('.')}{_how_to_get_weights(model, options)}")
        records = {}
    return [
        compare(entry, records[entry.task])
        if entry.task in records
        else Check(entry.name, False, f"not verified, {missing_data[entry.task]}")
        for entry in group
    ]


def _missing(name: str, options: Options) -> str:
    """Return why a task cannot be run and how to get its data; empty if it can be run."""
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
    """Return the command that downloads the weights, which any run with a network does."""
    step = f"goldieval run --model {shell_argument(model)} --tasks shapes-zeroshot"
    return f". To get them, with a network:\n{step}" if options.offline else f". To try again:\n{step}"
