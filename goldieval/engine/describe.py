"""What a record says of its task, its data and its run."""

from __future__ import annotations

import shlex
import sys
from datetime import datetime, timezone
from pathlib import Path

from goldieval.data.duplicates import repeats
from goldieval.data.samples import Dataset
from goldieval.engine.encode import Batching
from goldieval.engine.load import Loaded
from goldieval.engine.plan import Item
from goldieval.engine.vectors import Vectors
from goldieval.families.base import Scored
from goldieval.models.adapter import ModelInfo
from goldieval.records.parts import Duplicates
from goldieval.records.schema import DataPart, RunPart, TaskPart


def task_part(item: Item, info: ModelInfo, loaded: Loaded | None, limit: int | None, subset: str) -> TaskPart:
    """Return what was run: the card, the resolved scoring mode, and which part of the data."""
    card = item.task.card
    return TaskPart(
        name=card.name,
        family=card.family,
        version=card.version,
        protocol=item.task.protocol + _marked(loaded),
        title=card.title,
        licence=card.licence,
        card_sha256=item.task.hash,
        scoring=item.scoring(info),
        overrides=item.task.overrides,
        limit=limit,
        subset=subset,
        headline=card.headline,
        heading=item.heading,
        **(loaded.prepared.details if loaded else {}),
    )


def run_part(vectors: Vectors, device: str, batching: Batching, seconds: dict[str, float]) -> RunPart:
    """Return how it was run, as of now."""
    return RunPart(
        command=shlex.join(["goldieval", *sys.argv[1:]]) if Path(sys.argv[0]).stem == "goldieval" else "python",
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        device=device,
        batch={"images": batching.images, "texts": batching.texts},
        seconds={phase: round(value, 3) for phase, value in seconds.items()},
        encoded=vectors.encoded,
        reused=vectors.reused,
    )


def data_part(item: Item, loaded: Loaded | None, scored: Scored | None) -> DataPart:
    """Return what a task was run on."""
    source = item.task.card.source
    return DataPart(
        source=source.id or source.path or source.reader,
        origins=item.origins,
        sha256=loaded.sha256 if loaded else "",
        prepared_sha256=loaded.prepared_sha256 if loaded else "",
        expected=item.task.card.expect.model_dump(exclude_none=True),
        seen=loaded.seen if loaded else {},
        unreadable=loaded.unreadable if loaded else {},
        duplicates=_duplicates(loaded.prepared.dataset) if loaded else None,
        pixels=scored.pixels if scored else {},
    )


def _duplicates(dataset: Dataset) -> Duplicates | None:
    """Count captions that several images share; only where texts are searched for their images."""
    if dataset.owner is None or dataset.positives is None:
        return None
    said = [text.text for text in dataset.texts]
    stripped, raw = repeats([text.strip() for text in said], dataset.owner), repeats(said, dataset.owner)
    return Duplicates(
        captions=stripped.captions, images=stripped.images, raw_captions=raw.captions, raw_images=raw.images
    )


def _marked(loaded: Loaded | None) -> str:
    """Return what a subset adds to the protocol: other pictures are another column."""
    if loaded is None or loaded.present is None:
        return ""
    whole = loaded.seen["images"] + loaded.seen.get("train", 0)
    return f" + only the {loaded.present:,} of {whole:,} pictures that are present"
