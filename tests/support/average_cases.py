"""A folder of cards with a suite that defines averages, and records of its tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from comparison_records import classified
from helpers import content

from goldieval.tasks.card import load_card

TASKS = ("one", "two", "three")


def member(task: str, metric: Any = "acc1", **more: Any) -> dict[str, Any]:
    return {"task": task, "metric": metric, **more}


def average(name: str = "mean", members: Sequence[Mapping[str, Any]] = (), **more: Any) -> dict[str, Any]:
    return {"name": name, "label": "Mean of all", "members": list(members or map(member, TASKS)), **more}


def cards(folder: Path, *averages: Mapping[str, Any], of: Sequence[str] = TASKS, **changes: Any) -> Path:
    """Write cards of small tasks, and the suite ``all`` of them (or ``of`` others) with averages; return the folder."""
    (folder / "suites").mkdir(parents=True, exist_ok=True)
    for name in TASKS:
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content(name=name, chance=0.25)))
    suite = {"suite": "all", "title": "All of them", "tasks": list(of), "averages": list(averages or [average()])}
    (folder / "suites" / "all.yaml").write_text(yaml.safe_dump(suite | changes))
    return folder


def record(out: Path, folder: Path, task: str, rights: int, count: int = 100, spec: str = "toy:a", **more: Any) -> Path:
    """Write a record of one of the tasks, with the first ``rights`` images right, and return its file.

    ``hits`` replaces them; other arguments are those of ``classified``.
    """
    hits = more.pop("hits", (np.arange(count) < rights) * 1.0)
    own = {"card_sha256": load_card(folder / f"{task}.yaml").hash, "source": task, "sha256": task.ljust(64, "0")}
    return classified(out, spec, hits, task=task, **{**own, **more})
