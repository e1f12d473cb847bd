"""Captions through a causal CLIP text tower: the trimmed batches of goldieval against the same batches padded to 77 tokens.

python benchmarks/text_trimming.py

Claims: at least 3 times the captions per second; unit embeddings equal to 1e-5 (exit status 1 if not). The padded side runs
open_clip's ``encode_text``; the weights are random and seeded, which takes the same time.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from goldieval.core.meter import SilentMeter
from goldieval.engine.chunk_encoders import text_chunk_encoder
from goldieval.engine.chunks import chunks_of
from goldieval.engine.encode import TEXTS_PER_CHUNK, text_key
from goldieval.models.adapter import inference
from goldieval.models.inputs import Batching
from goldieval.models.loading import load_model

CHECKOUT = Path(__file__).resolve().parents[1]
COCO = CHECKOUT.parent / "shared/data/annotations/coco_val2017/captions_val2017.json"
MOST_DIFFERENCE, LEAST_SPEEDUP = 1e-5, 3.0

# Captions by number of CLIP tokens, start and end included, measured over all 25,014 of COCO val2017 (mean 13.5).
LENGTHS = {
    9: 96, 10: 1035, 11: 3681, 12: 4915, 13: 4847, 14: 3813, 15: 2493, 16: 1607, 17: 916, 18: 558, 19: 349, 20: 215,
    21: 147, 22: 90, 23: 54, 24: 48, 25: 23, 26: 26, 27: 31, 28: 23, 29: 14, 30: 5, 31: 3, 32: 3, 33: 5, 34: 4, 35: 1,
    36: 2, 37: 1, 39: 1, 40: 1, 42: 2, 46: 1, 47: 1, 52: 1, 53: 1, 58: 1,
}  # fmt: skip
# Each of these is one token of CLIP's vocabulary.
WORDS = [
    "man", "dog", "table", "street", "red", "bus", "sitting", "on", "the", "near", "field", "holding", "train", "white",
    "water", "cat", "two", "large", "standing", "playing", "ball", "kitchen", "with", "of", "park", "horse",
]  # fmt: skip


class Padded:
    """The same model, fed the same batches at their full width of 77, through open_clip's own forward."""

    def __init__(self, model: Any) -> None:
        self.tokenize = model.tokenize
        self.encode_text = model.module.encode_text

    @staticmethod
    def trim(tokens: torch.Tensor) -> torch.Tensor:
        """Cut nothing; that there is a ``trim`` makes the harness sort the texts into the same batches."""
        return tokens


def captions_in(file: Path) -> list[str]:
    """Read a COCO captions JSON, or JSON lines with a list ``captions``."""
    if file.suffix == ".jsonl":
        lines = file.read_text(encoding="utf-8").splitlines()
        return [caption for line in lines for caption in json.loads(line)["captions"]]
    return [entry["caption"] for entry in json.loads(file.read_text(encoding="utf-8"))["annotations"]]


def generated(count: int, seed: int = 0) -> list[str]:
    """Word salad whose token lengths are those of COCO's captions."""
    draw = random.Random(seed)
    lengths = draw.choices(list(LENGTHS), list(LENGTHS.values()), k=count)
    return [" ".join(draw.choices(WORDS, k=length - 2)) for length in lengths]


def sample(file: Path | None, count: int) -> tuple[list[str], str]:
    if file is None and not COCO.is_file():
        return generated(count), "generated with COCO's lengths"
    every = sorted(set(captions_in(file or COCO)))
    return random.Random(0).sample(every, min(count, len(every))), str(file or COCO)


def encode(model: Any, captions: list[str], batch: int) -> tuple[dict[str, np.ndarray], float]:
    """Return each caption's embedding by key, and the seconds that it took, tokenizer included."""
    texts = {text_key(caption): caption for caption in captions}
    chunks = chunks_of(sorted(texts, key=lambda key: (len(texts[key]), key)), TEXTS_PER_CHUNK)
    compute = text_chunk_encoder(model, texts, Batching(texts=batch), SilentMeter())
    start = time.perf_counter()
    parts = [content for _, content in compute(chunks)]
    seconds = time.perf_counter() - start
    return {key: row for keys, rows, _ in parts for key, row in zip(keys, rows, strict=True)}, seconds


def rounds(sides: dict[str, Any], captions: list[str], batch: int, repeats: int) -> Iterator[tuple[str, Any, float]]:
    for _ in range(repeats):
        for name, model in sides.items():
            yield name, *encode(model, captions, batch)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=Path, help="captions_val2017.json, or .jsonl with a list `captions` a line")
    parser.add_argument("--count", type=int, default=1000, help="captions, drawn with a fixed seed")
    parser.add_argument("--batch", type=int, default=Batching().texts)
    parser.add_argument("--repeats", type=int, default=3, help="runs of both sides in turn; the medians count")
    parser.add_argument("--architecture", default="ViT-B-32", help="an open_clip architecture with a causal text tower")
    arguments = parser.parse_args()
    captions, origin = sample(arguments.captions, arguments.count)
    trimmed = load_model(f"open_clip:{arguments.architecture}", offline=True)
    sides = {"trimmed": trimmed, "padded": Padded(trimmed)}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    found: dict[str, dict[str, np.ndarray]] = {}
    with inference(trimmed):
        for model in sides.values():
            encode(model, captions[:8], arguments.batch)  # warm-up
        for name, embeddings, taken in rounds(sides, captions, arguments.batch, arguments.repeats):
            seconds[name].append(taken)
            found[name] = embeddings
    keys = list(found["trimmed"])
    units = [F.normalize(torch.from_numpy(np.stack([found[name][key] for key in keys])), dim=1) for name in sides]
    difference = float((units[0] - units[1]).abs().max())
    rates = {name: len(keys) / statistics.median(taken) for name, taken in seconds.items()}
    print(f"{len(keys):,} captions ({origin}), batches of {arguments.batch}, {torch.get_num_threads()} threads")
    for name, rate in rates.items():
        print(f"{name:8} {rate:8.1f} captions/s   all runs, s: {[round(taken, 2) for taken in seconds[name]]}")
    print(f"ratio {rates['trimmed'] / rates['padded']:.1f} (aim: at least {LEAST_SPEEDUP:g})")
    print(f"largest difference of unit embeddings {difference:.1e} (allowed: {MOST_DIFFERENCE:g})")
    return int(difference > MOST_DIFFERENCE)


if __name__ == "__main__":
    sys.exit(main())
