"""Losses at scale: memory beyond their inputs, counted by shape, and the time in which foreign captions are drawn.

python benchmarks/losses.py

Claims (exit status 1 if one fails): the foreign captions of 256 images of 16,384 are drawn in less than 5 ms; no loss needs more than
4 GiB beyond its inputs at 512 images a process, with 4,096 and (the first three) with 32,768 images over all processes. Shapes are those of
goldiclip-b16 in float32; attention weights, which a fused kernel does not make, are counted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial

import torch

from goldieval.goldiclip.data.draws import drawn_bytes, row_width
from goldieval.goldiclip.gather import all_rows
from goldieval.goldiclip.memory.storages import StorageTracker
from goldieval.goldiclip.memory.world import pretended_world
from goldieval.goldiclip.objectives.conditioned import conditioned_sigmoid
from goldieval.goldiclip.objectives.contrastive import sigmoid_contrastive, softmax_contrastive
from goldieval.goldiclip.objectives.decoding import decoding_loss
from goldieval.goldiclip.objectives.same_caption import same_caption_contrast
from goldieval.goldiclip.pooling import TextConditionedPool

IMAGES, WIDTH, HEADS, PATCHES, CAPTIONS, CROPS, LOCAL_PATCHES = 512, 512, 8, 196, 10, 6, 36
VOCABULARY, PREDICTED = 49_408, 30
MOST_GIB, MOST_MS = 4.0, 5.0
DRAWN, DRAWN_OF, CHOICES = 256, 16_384, 10
META = "meta"
Loss = Callable[[], torch.Tensor]


def features(*shape: int) -> torch.Tensor:
    return torch.empty(shape, device=META, requires_grad=True)


def softmax() -> Loss:
    left, right, scale = features(IMAGES, 1, WIDTH), features(IMAGES, CAPTIONS, WIDTH), features()
    return lambda: softmax_contrastive(left, right, scale)


def sigmoid() -> Loss:
    images, texts = features(IMAGES, WIDTH), features(images_of_all(), CAPTIONS, WIDTH)
    scale, bias = features(), features()
    return lambda: sigmoid_contrastive(images, texts, scale, bias)


def conditioned() -> Loss:
    pool, patches, texts = pool_of(), features(IMAGES, PATCHES, WIDTH), features(IMAGES, CAPTIONS, WIDTH)
    everyone, scale, bias = features(images_of_all(), CAPTIONS, WIDTH), features(), features()
    draws = torch.empty(IMAGES, row_width(images_of_all()), dtype=torch.uint8, device=META)
    return lambda: conditioned_sigmoid(pool, patches, texts, everyone, draws, scale, bias)


def distil_conditioned() -> Loss:
    pool, student = pool_of().requires_grad_(False), features(IMAGES, CROPS, 2, WIDTH)
    texts, patches = (torch.empty(IMAGES, size, WIDTH, device=META) for size in (2, PATCHES))
    return lambda: same_caption_contrast(student, texts, pool, patches, features())


def caption() -> Loss:
    states, vocabulary = features(IMAGES * PREDICTED, WIDTH), features(VOCABULARY, WIDTH)
    targets = torch.empty(IMAGES * PREDICTED, dtype=torch.int64, device=META)
    return lambda: decoding_loss(states, targets, vocabulary)


# The negatives of `distil_conditioned` pass in pieces, one process after another, and `caption` sees its own images alone.
COUNTED = [(loss, count) for loss in (softmax, sigmoid, conditioned) for count in (8, 64)]
COUNTED += [(distil_conditioned, 8), (caption, 8)]


def pool_of() -> TextConditionedPool:
    with torch.device(META):
        return TextConditionedPool(WIDTH, HEADS)


def images_of_all() -> int:
    return len(all_rows(torch.empty(IMAGES, device=META)))


def peak_of(prepare: Callable[[], Loss], processes: int) -> int:
    """Return the bytes that a loss and its backward pass allocate beyond the inputs."""
    with pretended_world(processes):
        loss = prepare()
        with StorageTracker(META, lambda: "all") as tracker:
            loss().backward()  # type: ignore[no-untyped-call]
        return tracker.peak


def milliseconds(work: Callable[[], object], times: int = 7) -> float:
    """Return the median of several calls, in processor time."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        work()
        taken.append(1000 * (time.process_time() - start))
    return sorted(taken)[times // 2]


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    torch.set_num_threads(1)
    peaks = []
    print(f"{'loss':22}{'images of all':>15}{'GiB beyond inputs':>20}")
    for prepare, processes in COUNTED:
        peaks.append(peak_of(prepare, processes) / 2**30)
        print(f"{prepare.__name__:22}{IMAGES * processes:>15,}{peaks[-1]:>20.2f}", flush=True)
    drawn = milliseconds(partial(drawn_bytes, DRAWN_OF, 0, 1, range(DRAWN)))
    table = milliseconds(lambda: torch.randint(CHOICES, (DRAWN_OF, DRAWN_OF)), times=1)
    print(f"foreign captions of {DRAWN} images of {DRAWN_OF:,}: {drawn:.1f} ms; of all, as before: {table:,.0f} ms")
    if max(peaks) > MOST_GIB or drawn > MOST_MS:
        sys.exit(1)


if __name__ == "__main__":
    main()
