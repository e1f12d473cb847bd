"""Training data on disk: images, JSON Lines, shards, and a recipe small enough for a test."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from helpers import tar
from PIL import Image

from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.tokenizer import Tokenizer

SIZES: dict[str, Any] = {
    "image_size": 32,
    "vision_width": 32,
    "vision_layers": 1,
    "vision_heads": 2,
    "text_width": 32,
    "text_layers": 2,
    "text_heads": 2,
    "embed_dim": 32,
    "merges": 300,
    "decoder": "through_encoder",
    "decoder_layers": 1,
}
COLOURS = ("red", "green", "blue", "grey")


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer(SIZES["merges"], 77)


def jpeg(seed: int = 0, size: tuple[int, int] = (40, 30), format: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, format)
    return stream.getvalue()


def row(number: int, asked: bool = True) -> dict[str, Any]:
    colour = COLOURS[number % len(COLOURS)]
    vqa = {"vqa": [{"question": f"what colour is thing {number}?", "answer": colour}]} if asked else {}
    return {"captions": [f"Thing {number} is {colour}.", f"A {colour} thing. It has number {number}."], **vqa}


def image_text_folder(folder: Path, count: int = 12, asked: int | None = None, **changed: Any) -> Path:
    """Write ``train.jsonl`` with images beside it; the first ``asked`` rows have a question.

    changed: row number as ``r3`` to what stands in its place: a text, or keys that are replaced.
    """
    lines: list[str] = []
    (folder / "pictures").mkdir(parents=True)
    for number in range(count):
        (folder / f"pictures/{number}.jpg").write_bytes(jpeg(number))
        entry = {"image": f"pictures/{number}.jpg", **row(number, asked is None or number < asked)}
        change = changed.get(f"r{number}", {})
        lines.append(change if isinstance(change, str) else json.dumps({**entry, **change}))
    file = folder / "train.jsonl"
    file.write_text("\n".join(lines) + "\n")
    return file


def shard(file: Path, samples: Mapping[str, Mapping[str, bytes | dict[str, Any]]]) -> Path:
    """Write a tar from a mapping of key to ending to content."""
    members = {
        f"{key}.{ending}": content if isinstance(content, bytes) else json.dumps(content).encode()
        for key, own in samples.items()
        for ending, content in own.items()
    }
    return tar(file, members)


def shards(folder: Path, counts: Sequence[int]) -> Path:
    number = 0
    for place, count in enumerate(counts):
        samples = {f"{n:06d}": {"jpg": jpeg(n), "json": row(n)} for n in range(number, number + count)}
        shard(folder / f"{place:05d}.tar", samples)
        number += count
    return folder


def recipe(path: Path | str, source: str = "jsonl", **changes: Any) -> Recipe:
    data = {"source": source, "path": str(path), "captions": 2, "workers": 0, **changes.pop("data", {})}
    content: dict[str, Any] = {
        "name": "mine",
        "title": "mine",
        "model": SIZES,
        "data": data,
        "objectives": {"sigmoid": 1.0, "vqa": 1.0},
        "weighting": {"kind": "uncertainty", "warm_up": 1},
        "optimiser": {"steps": 6, "batch_size": 4, "warm_up": 2},
        "save_every": 3,
    }
    return Recipe.model_validate({**content, **changes})


def recipe_showing(batch_size: int = 4, image_size: int = 16, **data: Any) -> Recipe:
    """Return a recipe that shows samples as ``data`` says."""
    optimiser = {"steps": 6, "batch_size": batch_size}
    return recipe("x", data=data, model={**SIZES, "image_size": image_size}, optimiser=optimiser)
