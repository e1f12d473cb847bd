"""Published numbers of public checkpoints, run again here: reproduce one, then trust your own."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from goldieval.data.paths import data_root
from goldieval.data.source import tilde
from goldieval.doctor.check import Check, reason
from goldieval.environment import pick_device
from goldieval.errors import GoldievalError, listing
from goldieval.record import Record
from goldieval.registry import load_task, packaged
from goldieval.runner import Options, evaluate
from goldieval.screen import Screen


@dataclass(frozen=True)
class Entry:
    """One published number. value and tolerance in the metric's own unit: recall and accuracy are fractions."""

    model: str
    task: str
    metric: str
    value: float
    tolerance: float
    source: str

    @property
    def name(self) -> str:
        return f"{self.task} {self.metric}"


def verify_file() -> Path:
    """Return the list of what is verified."""
    return packaged("results/published") / "verify.csv"


def entries(file: Path | None = None) -> list[Entry]:
    """Read the list.

    Raises:
        GoldievalError: no such file, or a row with a missing or wrong cell, by its number.
    """
    file = file or verify_file()
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            return [_entry(file, number, row) for number, row in enumerate(csv.DictReader(stream), start=2)]
    except OSError as error:
        raise GoldievalError(f"cannot read {file}: {error.strerror}. Reinstall goldieval.") from error


def checks(
    data_dir: Path | None = None, device: str = "auto", offline: bool = False, screen: Screen | None = None
) -> list[Check]:
    """Evaluate every listed checkpoint on its tasks, each model loaded once, and compare.

    What could not be run is a failure too: a verification that did not happen verifies nothing.

    Raises:
        GoldievalError: ``data_dir`` is no folder, there is no such device, or the list itself is broken.
    """
    pick_device(device)
    options = Options(out=None, data_dir=data_dir, device=device, offline=offline)
    listed = sorted(entries(), key=lambda entry: entry.model)
    return [
        check
        for model, group in groupby(listed, key=lambda entry: entry.model)
        for check in _of_model(model, list(group), options, screen)
    ]


def compare(entry: Entry, record: Record) -> Check:
    """Hold a record against a published number; the tolerance is what re-runs of the same weights have shown."""
    if record.status != "ok":
        return Check(entry.name, False, f"{entry.model}: {record.reason}")
    if entry.metric not in record.metrics:
        found = f"{entry.task} gives no {entry.metric}; it has {listing(record.metrics, 9)}"
        return Check(entry.name, False, found)
    ours = record.metrics[entry.metric].value
    both = f"{ours:.4f} here, {entry.value:.4f} published, tolerance {entry.tolerance:g}"
    if abs(ours - entry.value) <= entry.tolerance + 1e-9:
        return Check(entry.name, True, f"{both} ({entry.model}; {entry.source})")
    return Check(entry.name, False, f"{both} ({entry.source}). {diagnosis(record)}")


def diagnosis(record: Record) -> str:
    """Say what to look at, the most frequent causes first, with what this run used."""
    task = record.task
    seen = ", ".join(f"{count:,} {what}" for what, count in record.data.seen.items())
    prompts = f"prompts (SHA-256 {task.prompts_sha256[:12]})" if task.prompts_sha256 else "captions (no prompt added)"
    return (
        f"Look at: 1 split ({task.protocol}; {seen}); 2 {prompts}; 3 activation, 4 normalisation and 5 resize "
        f"({record.model.resolution} px), shown by:\ngoldieval doctor --model {record.model.spec}"
    )


def _of_model(model: str, group: Sequence[Entry], options: Options, screen: Screen | None) -> list[Check]:
    """Run one model on those of its tasks whose data are here, so that no weights are fetched in vain."""
    lacking = {entry.task: _lacking(entry.task, options) for entry in group}
    runnable = [task for task, why in lacking.items() if not why]
    try:
        done = evaluate(model, runnable, options=options, screen=screen) if runnable else []
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
    task = load_task(name)
    source, folder = task.card.source, task.folder(data_root(options.data_dir))
    missing = (source.missing(folder) if folder.is_dir() else ["any file"]) if source.on_disk else []
    if not missing:
        return ""
    return f"no data: {tilde(folder)} lacks {listing(missing)}. To get it:\n{source.how_to_get(folder, task.name)}"


def _how_to_get_weights(model: str, options: Options) -> str:
    """Any run fetches named weights; under --offline that is the step to take first, elsewhere."""
    step = f"goldieval run --model {model} --tasks shapes-zeroshot"
    return f". To get them, with a network:\n{step}" if options.offline else f". To try again:\n{step}"


def _entry(file: Path, number: int, row: dict[str, str]) -> Entry:
    try:
        cells = {name: row[name].strip() for name in ("model", "task", "metric", "source")}
        entry = Entry(**cells, value=float(row["value"]), tolerance=float(row["tolerance"]))
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise GoldievalError(f"{file}:{number}: a cell is missing or no number ({error}).") from None
    if not (all(cells.values()) and entry.tolerance >= 0):
        raise GoldievalError(f"{file}:{number}: empty cell or negative tolerance.")
    return entry
