"""What one process does alone, measured: reading annotations, metrics and records, the store, and loading a model."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from measuring import line, processor

HERE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HERE / "tests/support"))

IMAGES = (500, 4000)  # numbers of pictures, with two captions each, through which the line is laid
CHUNK, DIM, CHUNKS = 256, 512, 20


def measured(place: Path) -> dict[str, float]:
    """Return the rates of ``suite_rates.Rates`` that belong to one process, by their names.

    Args:
        place: an empty folder on the disk that is measured.
    """
    task_seconds(place / "first", IMAGES[0])  # imports what it needs
    tasks = [task_seconds(place / str(images), images) for images in IMAGES]
    rows = [3 * images for images in IMAGES]
    read = line([2 * images for images in IMAGES], [task["read"] for task in tasks])
    scored = line(rows, [task["score"] for task in tasks])
    written = line(rows, [task["write"] for task in tasks])
    chunk_s, gathered = store_seconds(place)
    return {
        "task_s": read[0] + scored[0] + written[0],
        "text_s": read[1],
        "query_s": scored[1],
        "row_s": written[1],
        "chunk_s": chunk_s,
        "gathered": gathered,
        "load_s": load_seconds(place),
    }


def task_seconds(folder: Path, images: int) -> dict[str, float]:
    """Return processor seconds to read the annotations of a retrieval task, to score it, and to write its record."""
    from helpers import retrieval_embeddings
    from synthetic_records import made

    from goldieval.core.units import one_thread
    from goldieval.engine.load import prepare_and_count
    from goldieval.families.retrieval import FAMILY
    from goldieval.records.writing import write_record
    from goldieval.scoring.cosine import exact
    from goldieval.tasks.card import load_card

    retrieval_embeddings(folder, images)
    task = load_card(folder / "card.yaml")
    prepared, _, _ = prepare_and_count(task, folder)
    with one_thread(), exact("cpu"):
        evidence = FAMILY.collect(_run(prepared))
        scored = FAMILY.score(prepared, evidence)
        record = made("shapes-retrieval", metrics=scored.metrics)
        return {
            "read": processor(lambda: prepare_and_count(task, folder)),
            "score": processor(lambda: FAMILY.score(prepared, evidence)),
            "write": processor(lambda: write_record(folder / "results", record, scored.outcomes)),
        }


def _run(prepared: Any) -> Any:
    """Return the run of a task whose embeddings are random."""
    from goldieval.core.group import Alone
    from goldieval.models.inputs import Batching

    random = np.random.default_rng(0)
    images, texts = (
        random.normal(size=(len(items), 64)).astype(np.float32) for items in (prepared.dataset.images, prepared.texts)
    )
    return SimpleNamespace(
        prepared=prepared,
        mode="global",
        device="cpu",
        batching=Batching(workers=1),
        group=Alone(),
        keys=[str(number) for number in range(len(images))],
        failed={},
        leave_out=lambda failed: None,
        image_embeddings=lambda: images,
        text_embeddings=lambda: texts,
    )


def store_seconds(place: Path) -> tuple[float, float]:
    """Return the wall time to write a chunk of embeddings, and the embeddings per second that are read back."""
    from goldieval.engine.chunks import Chunk
    from goldieval.engine.store import Store

    keys = [f"{number:064x}" for number in range(CHUNK * CHUNKS)]
    embeddings = np.random.default_rng(0).normal(size=(CHUNK, DIM)).astype(np.float32)
    space = Store(place / "store").space("measured")
    start = time.perf_counter()
    for first in range(0, len(keys), CHUNK):
        part = keys[first : first + CHUNK]
        space.write(Chunk(tuple(part)), part, embeddings, {})
    written = time.perf_counter() - start
    start = time.perf_counter()
    space.refresh()
    space.gather(keys)
    return written / CHUNKS, len(keys) / (time.perf_counter() - start)


def load_seconds(place: Path) -> float:
    """Return processor seconds to load a ViT-B/16 of open_clip from a file in memory, and to identify it."""
    import open_clip
    from safetensors.torch import save_file

    from goldieval.models.adapter import LoadOptions
    from goldieval.models.checked_info import checked_info
    from goldieval.models.loading import load
    from goldieval.models.spec import parse_spec

    file = place / "b16.safetensors"
    with _without_warnings():
        save_file(open_clip.create_model("ViT-B-16").state_dict(), file)
        options = LoadOptions("cpu", "fp32", True, lambda line: None)
        start = time.process_time()
        checked_info(load(parse_spec(f"open_clip:ViT-B-16@{file}"), options))
        return time.process_time() - start


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Leave out open_clip's warning that weights are random, which is meant here."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
