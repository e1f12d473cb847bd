"""What the rehearsal trains on: shards of small pictures, and the recipe goldiclip-b16 with everything but its sizes."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

COLOURS = ("red", "green", "blue", "yellow", "white", "black")
THINGS = ("square", "bar", "field", "flag", "wall", "door")


@dataclass(frozen=True)
class Scale:
    """Sizes of a rehearsal.

    Attributes:
        shards: number of shards.
        samples: samples in each.
        steps: steps of the training.
        batch: images of a step, of all processes.
        captions: captions of each image.
        save_every: steps between two checkpoints.
        evaluate_every: steps between two evaluations.
        limit: images of each task of an evaluation.
    """

    shards: int
    samples: int
    steps: int
    batch: int
    captions: int
    save_every: int
    evaluate_every: int
    limit: int


WHOLE = Scale(1_000, 8, steps=12, batch=512, captions=8, save_every=4, evaluate_every=6, limit=64)
TINY = Scale(30, 4, steps=8, batch=16, captions=4, save_every=3, evaluate_every=4, limit=12)
TASKS = ("shapes-zeroshot", "shapes-retrieval")


def write_shards(folder: Path, scale: Scale) -> None:
    """Write the shards; every picture and text follows from its number."""
    folder.mkdir(parents=True)
    for number in range(scale.shards):
        with tarfile.open(folder / f"{number:05d}.tar", "w") as shard:
            for sample in range(number * scale.samples, (number + 1) * scale.samples):
                _add(shard, f"{sample:08d}.jpg", _picture(sample))
                _add(shard, f"{sample:08d}.json", json.dumps(_texts(sample)).encode())


def _add(shard: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    shard.addfile(member, io.BytesIO(content))


def _picture(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((48, 36), Image.Resampling.BILINEAR).save(stream, "JPEG")
    return stream.getvalue()


def _texts(number: int) -> dict[str, Any]:
    dice = np.random.default_rng(number)
    names = [f"{COLOURS[dice.integers(6)]} {THINGS[dice.integers(6)]}" for _ in range(6)]
    questions = [{"question": f"what is beside the {names[0]}?", "answer": names[1]}]
    return {
        "raw_caption": f"number {number} with a {names[0]}",
        "shortLLA_captions": f"A {names[0]} beside a {names[1]}.",
        "longLLA_captions": "\n".join(f"There is a {name} in part {part}." for part, name in enumerate(names)),
        **({"vqa": questions} if number % 3 else {}),
    }


def write_recipe(file: Path, shards: Path, scale: Scale) -> None:
    """Write goldiclip-b16 with a tiny tower, small pictures, fewer steps, and its memory settings."""
    sizes = {
        **{"size": "tiny", "image_size": 32, "vision_width": 32, "vision_layers": 2, "vision_heads": 2, "merges": 300},
        **{"text_width": 32, "text_layers": 2, "text_heads": 2, "embed_dim": 32, "decoder": "through_encoder"},
    }
    recipe = {
        "extends": "goldiclip-b16",
        "name": "rehearsal",
        "title": "goldiclip-b16 but for its sizes",
        "model": sizes,
        "data": {"path": str(shards), "captions": scale.captions, "local_size": 16, "workers": 1},
        "optimiser": {"steps": scale.steps, "batch_size": scale.batch, "warm_up": 2},
        "execution": {"micro_batches": 2, "checkpointing": 0.5},
        "evaluation": {"every": scale.evaluate_every, "tasks": list(TASKS), "limit": scale.limit},
        "save_every": scale.save_every,
    }
    file.write_text(yaml.safe_dump(recipe))
