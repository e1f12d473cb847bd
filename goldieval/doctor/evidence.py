"""The evidence page: what of the published numbers could be reproduced, what it would take, and what did match."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

from goldieval.core.errors import GoldievalError
from goldieval.core.files import atomic_write
from goldieval.doctor.check import Check
from goldieval.doctor.published import PublishedEntry, entries
from goldieval.tasks.catalogue import Catalogue

# What an estimate assumes, in thousand million multiply-adds a second: 8 cores, and one recent GPU in half precision.
CPU_RATE, GPU_RATE = 300.0, 30_000.0


@dataclass(frozen=True)
class Line:
    """One checkpoint on one task. megabytes: of the task's data, 0 where that is not known.   gmacs: None likewise."""

    checkpoint: str
    model: str
    task: str
    expected: dict[str, tuple[float, float]]
    weights_megabytes: float
    data_megabytes: float
    gmacs: float | None
    missing: str

    def hours(self, rate: float) -> float | None:
        return None if self.gmacs is None else self.gmacs / rate / 3600


def lines(everything: bool) -> Iterator[Line]:
    """Yield the matrix of checkpoint, task and expected values."""
    catalogue = Catalogue()
    for (_, task), group in groupby(entries(everything), key=lambda entry: (entry.checkpoint.name, entry.task)):
        yield _line(catalogue, task, list(group))


def plan(everything: bool, as_json: bool = False) -> str:
    """Return the matrix as a table to read, or as JSON."""
    found = list(lines(everything))
    if as_json:
        return json.dumps([vars(line) for line in found], indent=1)
    text: list[str] = []
    for _, group in groupby(found, key=lambda line: line.checkpoint):
        rows = list(group)
        text.append(f"{rows[0].checkpoint}  {rows[0].model}  ({rows[0].weights_megabytes:,.0f} MB)")
        text += [_said(row) for row in rows]
    numbers = sum(len(line.expected) for line in found)
    weights = sum({line.checkpoint: line.weights_megabytes for line in found}.values())
    cpu, gpu = (sum(line.hours(rate) or 0 for line in found) for rate in (CPU_RATE, GPU_RATE))
    text += [
        f"{numbers} numbers of {len({line.checkpoint for line in found})} checkpoints on "
        f"{len({line.task for line in found})} tasks; weights {weights / 1000:,.1f} GB",
        f"about {cpu:,.1f} hours on 8 CPU cores, {gpu:,.1f} on one recent GPU (towers alone, at {CPU_RATE:,.0f} and "
        f"{GPU_RATE:,.0f} GMAC/s)",
        f"run it: goldieval doctor --verify{' --all' if everything else ''} --report FILE.md",
    ]
    return "\n".join(text)


def write(file: Path, checks: Sequence[Check]) -> None:
    """Write what matched, what did not and what was not run, whole or not at all."""
    day = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    matched = sum(check.passed is True for check in checks)
    not_run = sum("not verified" in check.found for check in checks)
    rows = [f"| {_verdict(check)} | {check.name} | {_cell(check.found)} |" for check in checks]
    text = [
        "# Published numbers, run again",
        "",
        f"Written by `goldieval doctor --verify --report` on {day}, goldieval {version('goldieval')}: {matched} of "
        f"{len(checks)} numbers matched, {len(checks) - matched - not_run} did not, {not_run} were not run.",
        "",
        *("| verdict | task and metric | what was found |", "|---|---|---|", *rows),
        "",
    ]
    try:
        atomic_write(file, "\n".join(text).encode())
    except OSError as error:
        raise GoldievalError(f"cannot write {file}: {error.strerror}.") from error


def _line(catalogue: Catalogue, name: str, group: Sequence[PublishedEntry]) -> Line:
    first = group[0].checkpoint
    expected = {entry.number.metric: (entry.number.value, entry.number.tolerance) for entry in group}
    missing, data, gmacs = "", 0.0, None
    try:
        card = catalogue.select([name]).tasks[0].card
        data = float(getattr(card.source, "megabytes", 0) or 0)
        if card.expect.images:
            texts = card.expect.texts or 0
            gmacs = card.expect.images * first.gmacs[0] + texts * first.gmacs[1]
    except GoldievalError:
        missing = "no card of that name in this version"
    return Line(first.name, first.model, name, expected, first.megabytes, data, gmacs, missing)


def _said(line: Line) -> str:
    values = ", ".join(f"{metric} {value:.4f} ± {tolerance:g}" for metric, (value, tolerance) in line.expected.items())
    hours = line.hours(CPU_RATE)
    cost = line.missing or ("" if hours is None else f"{hours:.2f} h")
    data = f"{line.data_megabytes:,.0f} MB of data" if line.data_megabytes else ""
    return f"  {line.task:20} {values:62} {', '.join(part for part in (data, cost) if part)}".rstrip()


def _verdict(check: Check) -> str:
    return "matched" if check.passed else "not run" if "not verified" in check.found else "DIFFERS"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
