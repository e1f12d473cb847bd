"""Records of fictitious models, as written by a run, for tests of comparison and pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from goldieval.families.aggregates import measured
from goldieval.metrics.intervals import share
from goldieval.metrics.registry import metric_of
from goldieval.records.parts import ClassScore
from goldieval.records.schema import DataPart, ModelPart, Record, RunPart, TaskPart
from goldieval.records.writing import write_record


def classified(
    out: Path, spec: str, hits: np.ndarray, *, task: str = "mine", fingerprint: str = "", **changes: Any
) -> Path:
    """Write a zero-shot record whose images are hit where ``hits`` is 1; return its file.

    changes: fields of the record's model, task and data parts, by name; ``images``, ``texts``, ``ids``
    replace those columns of the outcomes, ``columns`` any.
    """
    count = len(hits)
    ids = np.array([f"i{row}" for row in range(count)], dtype=object)
    outcomes = {
        "direction": np.full(count, "i2c", dtype=object),
        "sample_id": changes.pop("ids", ids),
        "cluster_id": ids,
        "label": np.arange(count) % 3,
        "prediction": (np.arange(count) + 1 - hits.astype(int)) % 3,
        "place": 1 - hits.astype(int),
        "rank_low": 2 - hits.astype(int),
        "rank_high": 2 - hits.astype(int),
        "image": changes.pop("images", np.full(count, "", dtype=object)),
        "text": changes.pop("texts", np.array([f"class {row % 3}" for row in range(count)], dtype=object)),
    } | changes.pop("columns", {})
    return _written(
        out,
        spec,
        "zeroshot",
        "acc1",
        {"acc1": measured(metric_of("acc1"), share(hits), None, None)},
        outcomes,
        task,
        fingerprint,
        changes,
    )


def segmented(out: Path, spec: str, inside: np.ndarray, union: np.ndarray, **changes: Any) -> Path:
    """Write a record with areas of every class, both (images, classes).

    changes: ``labelled`` adds that column, ``ids`` and ``columns`` replace columns; ``classes`` are IoUs by class; the
    rest are fields of the record's parts.
    """
    labelled = changes.pop("labelled", None)
    ids = changes.pop("ids", np.array([f"i{row}" for row in range(len(inside))], dtype=object))
    outcomes = {
        "direction": np.full(len(inside), "segmentation", dtype=object),
        "sample_id": ids,
        "cluster_id": ids,
        "intersection": np.array([*inside, None], dtype=object)[:-1],
        "union": np.array([*union, None], dtype=object)[:-1],
    }
    if labelled is not None:
        outcomes["labelled"] = np.array([*labelled, None], dtype=object)[:-1]
    outcomes |= changes.pop("columns", {})
    values = {"miou": measured(metric_of("miou"), share((inside > 0).astype(float).ravel()), None, None)}
    return _written(out, spec, "segmentation", "miou", values, outcomes, "areas", "", changes)


def retrieved(out: Path, spec: str, ranks: np.ndarray, names: Sequence[str], **changes: Any) -> Path:
    """Write a retrieval record whose texts find their image at these ranks, with metrics read from its outcomes.

    names: of the metrics; the first is the headline. changes: fields of the record's parts, and ``columns``.
    """
    ids = np.array([f"t{row}" for row in range(len(ranks))], dtype=object)
    outcomes = {
        "direction": np.full(len(ranks), "t2i", dtype=object),
        "sample_id": ids,
        "cluster_id": np.array([f"i{row // 2}" for row in range(len(ranks))], dtype=object),
        "rank_low": ranks,
        "rank_high": ranks,
        "text": np.array([f"caption {row}" for row in range(len(ranks))], dtype=object),
    } | changes.pop("columns", {})
    values = {}
    for about in map(metric_of, names):
        found = about.values(outcomes)
        assert found is not None
        values[about.name] = measured(about, about.interval(found), None, None)
    return _written(out, spec, "retrieval", names[0], values, outcomes, "mine", "", changes)


def _written(
    out: Path,
    spec: str,
    family: str,
    headline: str,
    metrics: dict[str, Any],
    outcomes: dict[str, np.ndarray],
    task: str,
    fingerprint: str,
    changes: dict[str, Any],
) -> Path:
    fingerprint = fingerprint or (spec.encode().hex() + "0" * 64)[:64]
    parts: dict[str, Any] = {
        "spec": spec,
        "family": "toy",
        "fingerprint": fingerprint,
        "parameters": 0,
        "resolution": 0,
        "context_length": 0,
        "precision": "fp32",
        "home": "",
        "notice": "",
    }
    about: dict[str, Any] = {
        "name": task,
        "family": family,
        "version": 1,
        "protocol": "all",
        "title": "Mine",
        "licence": "mine",
        "card_sha256": "c" * 64,
        "scoring": "global",
        "headline": headline,
    }
    data: dict[str, Any] = {"source": "mine", "sha256": "d" * 64}
    ran: dict[str, Any] = {"command": "python", "started": "", "device": "cpu"}
    ran |= {"batch": {}, "seconds": {}, "encoded": {}, "reused": {}}
    status = changes.pop("status", "ok")
    classes = {name: ClassScore(iou=iou, accuracy=None, pixels=1) for name, iou in changes.pop("classes", {}).items()}
    subset = str(changes.get("limit", "all"))
    for known, fields in ((parts, ModelPart), (about, TaskPart), (data, DataPart), (ran, RunPart)):
        known |= {name: changes.pop(name) for name in list(changes) if name in fields.model_fields}
    assert not changes, changes
    record = Record(
        setting=fingerprint,
        key=(fingerprint[:4] + about["card_sha256"][:2] + subset + "0" * 64)[:64],
        status=status,
        reason="it broke" if status == "failed" else "",
        model=ModelPart(**parts),
        task=TaskPart(**about),
        data=DataPart(**data),
        metrics={} if status == "failed" else metrics,
        classes=classes,
        environment={},
        run=RunPart(**ran),
    )
    return write_record(out, record, None if status == "failed" else outcomes)
