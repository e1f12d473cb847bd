"""Cost of metrics that need more than one rank per query, and of those whose interval is no plain mean's.

python benchmarks/metrics.py
python benchmarks/metrics.py --device cuda

One run ranks 25,000 texts against 5,000 images with as many positives as CxC has (35,585 pairs), once for
recall at k alone and once for the ranks of all positives; the two take turns. Then macro F1 and the calibration errors
of 50,000 images, of 182 classes as in iWildCam and of 1,000, each with its interval and the comparison of two models.
Claims (exit status 1 if one fails): with all metrics a pass takes at most twice the time; of 50,000 images an interval
takes at most 10 and a test at most 60 seconds of processor time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from measuring import add_device_option, device_name, seconds

from goldieval.core.precision import full_float32
from goldieval.metrics.ranks import Ranks
from goldieval.metrics.registry import metric_of
from goldieval.scoring.cosine import retrieval_ranks

KINDS = ("map_at_r", "r_precision", "map", "ndcg10", "mrr")
MOST_TIMES, MOST_OF_INTERVAL, MOST_OF_TEST = 2.0, 10.0, 60.0
OF_CLASSES = ("macro_f1", "ece", "ece_adaptive", "mean_per_class_recall")
CLASSES = (182, 1000)
CLUSTERS = 500  # of images that share captions


def make_data(
    images: int, texts: int, pairs: int, dim: int, seed: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return unit vectors (images, dim) and (texts, dim), and positives (pairs, 2) within clusters of images."""
    random = np.random.default_rng(seed)
    owner = np.sort(np.arange(texts) % images)
    further = random.integers(0, texts, 4 * (pairs - texts))
    other = (owner[further] + CLUSTERS * random.integers(1, 4, len(further))) % images
    found = np.unique(np.concatenate([np.stack([np.arange(texts), owner], 1), np.stack([further, other], 1)]), axis=0)
    own = found[:, 1] == owner[found[:, 0]]
    positives = np.concatenate([found[own], random.permutation(found[~own])[: pairs - texts]])
    content = random.normal(size=(images, dim))
    captions = 0.3 * content[owner] + random.normal(size=(texts, dim))
    vectors = (F.normalize(torch.tensor(each, dtype=torch.float32), dim=1) for each in (content, captions))
    image_vectors, text_vectors = vectors
    return image_vectors, text_vectors, torch.from_numpy(positives)


def recalls(sides: tuple[Ranks, Ranks]) -> list[float]:
    return [float(ranks.hits(k).mean()) for ranks in sides for k in (1, 5, 10)]


def all_metrics(sides: tuple[Ranks, Ranks]) -> list[float]:
    """Return recalls, and the mean of every other metric over the queries with a positive."""
    found = recalls(sides)
    for ranks in sides:
        asked = ranks.of(ranks.positives > 0)
        for kind in KINDS:
            metric: Any = metric_of(f"t2i_{kind}")
            values = metric.of_groups(asked.groups) if hasattr(metric, "of_groups") else metric.per_query(asked)
            found.append(float(values.mean()))
    return found


def classified(images: int, classes: int, seed: int) -> dict[str, np.ndarray]:
    """Return the outcomes of a made-up classifier that is right on three images of four."""
    random = np.random.default_rng(seed)
    label = np.arange(images) % classes
    right = random.random(images) < 0.75
    ids = np.arange(images).astype(str)
    return {
        "sample_id": ids,
        "cluster_id": ids,
        "label": label,
        "prediction": np.where(right, label, random.integers(0, classes, images)),
        "place": np.where(right, 0, random.integers(1, classes, images)),
        "rank_low": np.where(right, 1, 2),
        "rank_high": np.where(right, 1, 2),
        "confidence": random.beta(4, 2, images),
    }


def of_classes(images: int, classes: int) -> bool:
    """Print the processor seconds of the metrics of classes; return whether all keep the claim."""
    print(f"\n{images:,} images, {classes:,} classes; interval, and test of two models")
    a, b, taken = classified(images, classes, 0), classified(images, classes, 1), []
    for name in OF_CLASSES:
        metric = metric_of(name)
        first, second = metric.values(a), metric.values(b)
        assert first is not None and second is not None, name
        start = time.process_time()
        found = metric.interval(first)
        middle = time.process_time()
        metric.paired(first, second)
        end = time.process_time()
        taken.append((middle - start, end - middle))
        print(
            f"{name:24}{middle - start:8.2f} s{end - middle:8.2f} s   {found.value:.4f} ({found.low:.4f} to {found.high:.4f})"
        )
    interval, test = (max(column) for column in zip(*taken, strict=True))
    print(f"slowest {interval:.2f} and {test:.2f} s (allowed: {MOST_OF_INTERVAL:g} and {MOST_OF_TEST:g})")
    return interval <= MOST_OF_INTERVAL and test <= MOST_OF_TEST


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_device_option(parser)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--texts", type=int, default=25_000)
    parser.add_argument("--pairs", type=int, default=35_585)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each; medians count")
    arguments = parser.parse_args()
    data = make_data(arguments.images, arguments.texts, arguments.pairs, arguments.dim, arguments.seed)
    images, texts, positives = (each.to(arguments.device) for each in data)
    sides: dict[str, Callable[[], list[float]]] = {
        "recall at 1, 5, 10": lambda: recalls(retrieval_ranks(texts, images, positives)),
        "and mAP@R, R-Precision, mAP, nDCG@10, MRR": lambda: all_metrics(
            retrieval_ranks(texts, images, positives, all_positives=True)
        ),
    }
    taken: dict[str, list[float]] = {name: [] for name in sides}
    with full_float32():
        for each in sides.values():
            each()
        for _ in range(arguments.rounds):
            for name, each in sides.items():
                taken[name] += seconds(each, arguments.device, rounds=1, warm_up=0)
    print(f"{arguments.texts:,} texts x {arguments.images:,} images x {arguments.dim}, {arguments.pairs:,} positives, "
          f"{device_name(arguments.device)}")  # fmt: skip
    medians = {name: statistics.median(values) for name, values in taken.items()}
    for name, median in medians.items():
        print(f"{name:44}{median:8.3f} s   all: {[round(value, 3) for value in taken[name]]}")
    plain, more = medians.values()
    print(f"{more / plain:.2f} times (allowed: {MOST_TIMES:g})")
    kept = [of_classes(50_000, classes) for classes in CLASSES]
    return int(not (all(kept) and more / plain <= MOST_TIMES))


if __name__ == "__main__":
    sys.exit(main())
