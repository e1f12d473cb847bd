"""The reliability figure of records: one panel for each classification with known probabilities."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import Path

from goldieval.core.errors import GoldievalError
from goldieval.core.text import natural_order
from goldieval.records.schema import Record
from goldieval.report.figure_files import check_kind, write_figure
from goldieval.report.reliability_drawing import draw

MOST = 24  # panels
OPTION = "--reliability"


def write_reliability(file: Path, records: Sequence[Record], task: str = "") -> list[str]:
    """Draw the reliability of records; return lines about the file, and about records that have no probabilities.

    Args:
        file: a .png, .pdf or .svg file.
        records: the records.
        task: name or glob of the tasks to draw; empty for all.

    Raises:
        GoldievalError: another suffix, no record with probabilities, too many of them, or a file that cannot be
            written.
    """
    check_kind(file, OPTION)
    classified = [
        record for record in records if record.calibration and fnmatch.fnmatchcase(record.task.name, task or "*")
    ]
    drawn = sorted((record for record in classified if record.calibration and record.calibration.bins), key=_order)
    if not drawn:
        raise GoldievalError(f"{OPTION}: {_nothing(classified, task)}")
    if len(drawn) > MOST:
        raise GoldievalError(
            f"{OPTION}: {len(drawn)} records are more than the {MOST} panels of a figure: "
            "name a folder of one model, or a task with --task."
        )
    size = write_figure(file, draw(drawn), OPTION)
    left_out = [
        f"not on the figure: {record.model.spec} on {record.task.name}: {record.calibration.missing}"
        for record in classified
        if record.calibration and not record.calibration.bins
    ]
    return [f"{file}: {size / 1e3:,.0f} kB, {len(drawn)} {'panel' if len(drawn) == 1 else 'panels'}", *left_out]


def _order(record: Record) -> tuple[object, ...]:
    return natural_order(record.task.name), natural_order(record.model.spec), record.model.fingerprint


def _nothing(classified: Sequence[Record], task: str) -> str:
    """Return why there is nothing to draw."""
    of_task = f" of task {task!r}" if task else ""
    if not classified:
        return f"no record{of_task} has a calibration; zero-shot classifications have one. See: goldieval ls tasks"
    reasons = dict.fromkeys(record.calibration.missing for record in classified if record.calibration)
    return f"no record{of_task} has probabilities: {'; '.join(reasons)}."
