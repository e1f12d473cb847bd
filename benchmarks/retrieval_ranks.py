"""Recall at 1, 5 and 10 in both directions by counting ranks, against the functions of clip-benchmark, in one run.

python benchmarks/retrieval_ranks.py
python benchmarks/retrieval_ranks.py --device cuda

Claims (exit status 1 if the first fails): the same six numbers to 1e-6; at least 5 times faster; at most 0.25 GB above the
embeddings. Each side runs in a separate process, so that peak memory is measured separately.

goldieval counts a tie (scores within 1e-6 of each other) as a fraction of a hit, and clip-benchmark by the order of its sort. With
the default seed there is no tie at k = 1, 5 or 10; with other seeds the number of clip-benchmark must be between those of
goldieval with all ties lost and with all ties won.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from measuring import add_device_option, device_name, matrix_rate, seconds

from goldieval.core.precision import full_float32

K = (1, 5, 10)
PEER_BATCH = 64  # clip-benchmark's default --batch_size, which it also uses for scoring
MOST_DIFFERENCE, LEAST_SPEEDUP, MOST_GB = 1e-6, 5.0, 0.25
TOPICS = 400
# Weights of the parts of an embedding, chosen so that recall at 1 is mid-scale in both directions.
TOPIC, GAP, NOISE = 1.0, 1.5, 8.5


def make_embeddings(images: int, texts: int, dim: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Return unit vectors (images, dim) and (texts, dim), and for each text its image.

    An image is a topic plus something of its own; a caption is a noisy copy; each tower has an offset of its own (the
    modality gap). The captions that do not divide evenly go to the first images, so COCO's ten with six are there.
    """
    random = torch.Generator().manual_seed(seed)

    def normal(rows: int) -> torch.Tensor:
        return torch.randn(rows, dim, generator=random) / dim**0.5

    owner = np.sort(np.arange(texts) % images)
    content = TOPIC * normal(TOPICS)[torch.arange(images) % TOPICS] + normal(images)
    captions = content[owner] + NOISE * normal(texts)
    return F.normalize(content + GAP * normal(1), dim=1), F.normalize(captions + GAP * normal(1), dim=1), owner


Numbers = dict[str, float]


def ours(images: torch.Tensor, texts: torch.Tensor, owner: np.ndarray) -> tuple[Numbers, Any]:
    from goldieval.scoring.cosine import retrieval_ranks

    positives = torch.from_numpy(np.stack([np.arange(len(texts)), owner], axis=1)).to(texts.device)
    sides = dict(zip(("t2i", "i2t"), retrieval_ranks(texts, images, positives), strict=True))
    return {f"{side}_r{k}": float(ranks.hits(k).mean()) for side, ranks in sides.items() for k in K}, sides


def tie_bounds(sides: Any) -> dict[str, tuple[float, float]]:
    """Recall with every tie lost and with every tie won."""
    return {
        f"{side}_r{k}": (float((ranks.high <= k).mean()), float((ranks.low <= k).mean()))
        for side, ranks in sides.items()
        for k in K
    }


def peer(images: torch.Tensor, texts: torch.Tensor, owner: np.ndarray) -> tuple[Numbers, None]:
    """The second half of clip_benchmark.metrics.zeroshot_retrieval.evaluate, which has no name of its own."""
    from clip_benchmark.metrics.zeroshot_retrieval import batchify, recall_at_k

    scores = texts @ images.t()
    positive_pairs = torch.zeros_like(scores, dtype=bool)
    positive_pairs[torch.arange(len(scores)), torch.from_numpy(owner)] = True
    device = str(images.device)
    result = {}
    for k in K:
        by_text = batchify(recall_at_k, scores, positive_pairs, PEER_BATCH, device, k=k)
        by_image = batchify(recall_at_k, scores.T, positive_pairs.T, PEER_BATCH, device, k=k)
        result |= {f"t2i_r{k}": (by_text > 0).float().mean().item(), f"i2t_r{k}": (by_image > 0).float().mean().item()}
    return result, None


SIDES: dict[str, Callable[..., tuple[Numbers, Any]]] = {"ours": ours, "peer": peer}


def resident_gb(which: str) -> float:
    """VmRSS (now) or VmHWM (peak) of this process; Linux only."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{which}:"):
            return int(line.split()[1]) * 1024 / 1e9
    raise RuntimeError(f"no {which} in /proc/self/status")


def measure(side: str, folder: Path, repeats: int, device: torch.device) -> None:
    """Child process: run one side ``repeats`` times; the first run gives the peak memory, all give the seconds."""
    small = make_embeddings(20, 100, 8, 0)
    with full_float32():
        SIDES[side](small[0].to(device), small[1].to(device), small[2])  # import what it needs
        images, texts = (torch.from_numpy(np.load(folder / f"{name}.npy")).to(device) for name in ("images", "texts"))
        owner = np.load(folder / "owner.npy")
        found: list[tuple[Numbers, Any]] = []
        taken, peak = [], 0.0
        before = start_of_peak(device)
        for _ in range(repeats):
            taken += seconds(lambda: found.append(SIDES[side](images, texts, owner)), device, rounds=1, warm_up=0)
            peak = peak or peak_now(device) - before
    metrics, ranks = found[-1]
    bounds = tie_bounds(ranks) if ranks else {}
    rate = matrix_rate(device, torch.float32)
    print(json.dumps({"seconds": taken, "gb": peak, "metrics": metrics, "bounds": bounds, "rate": rate}))


def start_of_peak(device: torch.device) -> float:
    """Let the peak of memory start anew; return the GB in use now, of the GPU or else of this process."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device) / 1e9
    Path("/proc/self/clear_refs").write_text("5")
    return resident_gb("VmRSS")


def peak_now(device: torch.device) -> float:
    return torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else resident_gb("VmHWM")


def child(side: str, folder: Path, repeats: int, device: torch.device) -> dict:
    asked = {"--side": side, "--folder": folder, "--repeats": repeats, "--device": device}
    command = [sys.executable, __file__, *(str(part) for pair in asked.items() for part in pair)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def compare(arguments: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        names = ("images", "texts", "owner")
        embeddings = make_embeddings(arguments.images, arguments.texts, arguments.dim, arguments.seed)
        for name, array in zip(names, embeddings, strict=True):
            np.save(Path(folder) / f"{name}.npy", np.asarray(array))
        us = child("ours", Path(folder), arguments.repeats, arguments.device)
        them = child("peer", Path(folder), arguments.peer_repeats, arguments.device)
    print(f"{arguments.images:,} images x {arguments.texts:,} texts x {arguments.dim}, {device_name(arguments.device)}")
    print(f"{'':8}{'goldieval':>16}{'clip-benchmark':>16}")
    for name in us["metrics"]:
        print(f"{name:8}{us['metrics'][name]:16.7f}{them['metrics'][name]:16.7f}")
    mine, theirs = statistics.median(us["seconds"]), statistics.median(them["seconds"])
    print(f"{'seconds':8}{mine:16.2f}{theirs:16.2f}   {theirs / mine:.1f} times (aim: at least {LEAST_SPEEDUP:g})")
    print(f"{'GB more':8}{us['gb']:16.3f}{them['gb']:16.3f}   aim for ours: at most {MOST_GB:g}")
    if arguments.device.type != "cpu":
        flop = 2 * arguments.images * arguments.texts * arguments.dim
        print(f"ours: {flop / mine / us['rate']:.3f} of the float32 matrix rate of {us['rate'] / 1e12:.1f} TFLOP/s")
    print(f"all runs, s: ours {[round(s, 2) for s in us['seconds']]}, theirs {[round(s, 2) for s in them['seconds']]}")
    differences = {name: abs(us["metrics"][name] - them["metrics"][name]) for name in us["metrics"]}
    tied = {name: high - low for name, (low, high) in us["bounds"].items()}
    print(f"largest difference {max(differences.values()):.1e} (allowed: {MOST_DIFFERENCE:g} and ties across k, "
          f"which are worth at most {max(tied.values()):.1e} here)")  # fmt: skip
    outside = [
        name
        for name, (low, high) in us["bounds"].items()
        if not low - MOST_DIFFERENCE <= them["metrics"][name] <= high + MOST_DIFFERENCE
    ]
    return int(bool(outside))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_device_option(parser)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--texts", type=int, default=25010)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--repeats", type=int, default=5, help="runs of ours; the median counts")
    parser.add_argument("--peer-repeats", type=int, default=1)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        measure(arguments.side, arguments.folder, arguments.repeats, arguments.device)
        return 0
    return compare(arguments)


if __name__ == "__main__":
    sys.exit(main())
