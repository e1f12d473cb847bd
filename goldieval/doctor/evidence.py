"""The evidence page: which published numbers were reproduced, and what a verification would run and cost."""

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

# Assumed throughput in 10^9 multiply-adds per second: 8 CPU cores, and one recent GPU in half precision.
CPU_RATE, GPU_RATE = 300.0, 30_000.0


@dataclass(frozen=True)
class PlanLine:
    """One checkpoint on one task.

    Attributes:
        checkpoint: name of the checkpoint.
        model: its model spec.
        task: name of the task.
        expected: published value and tolerance of each metric.
        weights_megabytes: size of the weights; None if it is not known.
        data_megabytes: size of the task's data; 0 if it is not known.
        gmacs: 10^9 multiply-adds that encoding takes; None if it is not known.
        missing: why the task cannot be run; empty if it can.
    """

    checkpoint: str
    model: str
    task: str
    expected: dict[str, tuple[float, float]]
    weights_megabytes: float | None
    data_megabytes: float
    gmacs: float | None
    missing: str

    def hours(self, rate: float) -> float | None:
        """Return the hours at ``rate``, in 10^9 multiply-adds per second."""
        return None if self.gmacs is None else self.gmacs / rate / 3600


def lines(everything: bool) -> Iterator[PlanLine]:
    """Yield one line for each checkpoint and task, with the expected values."""
    catalogue = Catalogue()
    for (_, task), group in groupby(entries(everything), key=lambda entry: (entry.checkpoint.name, entry.task)):
        yield _line(catalogue, task, list(group))


def plan(everything: bool, as_json: bool = False) -> str:
    """Return the plan of a verification as text, or as JSON."""
    plan_lines = list(lines(everything))
    if as_json:
        return json.dumps([vars(line) for line in plan_lines], indent=1)
    text: list[str] = []
    for _, group in groupby(plan_lines, key=lambda line: line.checkpoint):
        rows = list(group)
        size = rows[0].weights_megabytes
        text.append(
            f"{rows[0].checkpoint}  {rows[0].model}  ({'size not known' if size is None else f'{size:,.0f} MB'})"
        )
        text += [_plan_line(row) for row in rows]
    numbers = sum(len(line.expected) for line in plan_lines)
    weights = sum({line.checkpoint: line.weights_megabytes or 0 for line in plan_lines}.values())
    cpu, gpu = (sum(line.hours(rate) or 0 for line in plan_lines) for rate in (CPU_RATE, GPU_RATE))
    text += [
        f"{numbers} numbers of {len({line.checkpoint for line in plan_lines})} checkpoints on "
        f"{len({line.task for line in plan_lines})} tasks; weights {weights / 1000:,.1f} GB",
        f"about {cpu:,.1f} hours on 8 CPU cores, {gpu:,.1f} on one recent GPU (towers alone, at {CPU_RATE:,.0f} and "
        f"{GPU_RATE:,.0f} GMAC/s)",
        f"run it: goldieval doctor --verify{' --all' if everything else ''} --report FILE.md",
    ]
    return "\n".join(text)


def write(file: Path, checks: Sequence[Check]) -> None:
    """Write the evidence page atomically: what matched, what differed and what was not run."""
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


def _line(catalogue: Catalogue, name: str, group: Sequence[PublishedEntry]) -> PlanLine:
    first = group[0].checkpoint
    expected = {entry.number.metric: (entry.number.value, entry.number.tolerance) for entry in group}
    missing, data, gmacs = "", 0.0, None
    try:
        card = catalogue.select([name]).tasks[0].card
        data = float(getattr(card.source, "megabytes", 0) or 0)
        if card.expect.images and first.gmacs:
            texts = card.expect.texts or 0
            gmacs = card.expect.images * first.gmacs[0] + texts * first.gmacs[1]
    except GoldievalError:
        missing = "no card of that name in this version"
    return PlanLine(first.name, first.model, name, expected, first.megabytes, data, gmacs, missing)


def _plan_line(line: PlanLine) -> str:
    values = ", ".join(f"{metric} {value:.4f} ± {tolerance:g}" for metric, (value, tolerance) in line.expected.items())
    hours = line.hours(CPU_RATE)
    cost = line.missing or ("" if hours is None else f"{hours:.2f} h")
    data = f"{line.data_megabytes:,.0f} MB of data" if line.data_megabytes else ""
    return f"  {line.task:20} {values:62} {', '.join(part for part in (data, cost) if part)}".rstrip()


def _verdict(check: Check) -> str:
    return "matched" if check.passed else "not run" if "not verified" in check.found else "DIFFERS"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
