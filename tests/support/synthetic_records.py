"""Synthetic records for tests of their use."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from goldieval.metrics.intervals import wilson
from goldieval.records.parts import MeasuredMetric
from goldieval.records.schema import DataPart, ModelPart, Record, RunPart, TaskPart
from goldieval.records.writing import write_record
from goldieval.tasks.catalogue import Catalogue

_CARDS: dict[str, Any] = {}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def share(value: float, n: int) -> MeasuredMetric:
    low, high = wilson(value * n, n)
    return MeasuredMetric(
        value=value, low=low, high=high, n=n, clusters=n, method="wilson", separable=0.028, chance=0.1
    )


def made(task: str, model: str = "random", value: float = 0.5, n: int = 5000, **changes: Any) -> Record:
    """Return a record of an included card, with changes to fields of any part, such as ``precision="bf16"``."""
    if not _CARDS:
        _CARDS.update(Catalogue().tasks)
    card = _CARDS[task].card
    own = {
        "spec": model, "family": "made", "fingerprint": sha(model), "parameters": 1, "resolution": 224,
        "context_length": 77, "precision": "fp32", "home": "", "notice": "", "recipe": "", "images_seen": None,
        "unique_pairs": None, "seed": None,
    }  # fmt: skip
    about = {
        "name": card.name, "family": card.family, "version": card.version, "protocol": card.protocol,
        "title": card.title, "licence": card.licence, "card_sha256": sha(card.name), "scoring": "global",
        "overrides": {}, "limit": None, "headline": card.headline,
    }  # fmt: skip
    rest: dict[str, Any] = {"status": "ok", "reason": "", "warnings": [], "outcomes": None}
    metrics = changes.pop("metrics", {card.headline: share(value, n)})
    data = changes.pop("data", sha("data of " + task))
    for name, given in changes.items():
        (own if name in own else about if name in about else rest)[name] = given
    key = sha(repr((own, about, data)))
    return Record(
        setting=key, key=key, model=ModelPart(**own), task=TaskPart(**about), metrics=metrics,
        data=DataPart(source="made", sha256=data, expected={"images": n}),
        environment={}, **rest,
        run=RunPart(command="", started="2026", device="cpu", batch={}, seconds={"score": 1.0}, encoded={}, reused={}),
    )  # fmt: skip


def write(folder: Path, *records: Record) -> Path:
    """Write records into the folder that ``table`` reads; return it."""
    for record in records:
        write_record(folder, record, None)
    return folder


def study_run(
    folder: Path, name: str, row: str, seed: int, scores: dict[str, float], scenes: int | None = None, **changes: Any
) -> None:
    """Write a run file of a training study, headline scores by task."""
    records = [
        made(task, f"{name}@{seed}", value, seed=seed, **changes).model_dump(mode="json", exclude={"outcomes"})
        for task, value in scores.items()
    ]
    run = {"row": row, "seed": seed, "scenes": scenes, "images_seen": 40_000, "images_per_second": 50.0}
    (folder / f"{name}-seed{seed}.json").write_text(json.dumps({**run, "records": records}))
