"""Sliding windows over an image with 150 classes: goldieval against mmsegmentation's ``slide_inference``, same logits.

    uv run python benchmarks/segmentation_windows.py [--device cuda] [--size 1024 2048] [--encoder ViT-B-16]

Both get the same encoder with random weights, the same windows (224, stride 112) and the same text vectors; the output
is the logits at the size of the picture and their arg-max. mmsegmentation runs one window at a time, upsamples it to
its pixels and adds it to a padded map of the whole image; goldieval encodes windows in batches, and averages and resizes their
patch logits by two matrix products. Both are warmed up and run alternately, and the best of five repetitions is taken. Peak
memory without the encoder is measured for several image sizes.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import open_clip
import torch
import torch.nn.functional as F

from goldieval.families.mmseg_parts import quiet_import
from goldieval.scoring.patches import reader
from goldieval.scoring.segments import Decision, segment
from goldieval.scoring.windows import slide
from model_adapters.open_clip_dense import dense

CLASSES, CROP, STRIDE, BATCH, TURNS = 150, 224, 112, 32, 5
Work = Callable[[torch.Tensor], torch.Tensor]


def theirs(encode: Work, picture: torch.Tensor) -> torch.Tensor:
    """Call mmsegmentation's own method on a stand-in with the three attributes that it uses."""
    slide_inference = quiet_import("mmseg.models.segmentors.encoder_decoder").EncoderDecoder.slide_inference

    def encode_decode(windows: torch.Tensor, _: Any) -> torch.Tensor:
        return F.interpolate(encode(windows), size=windows.shape[-2:], mode="bilinear")

    settings = SimpleNamespace(stride=(STRIDE, STRIDE), crop_size=(CROP, CROP))
    stub = SimpleNamespace(test_cfg=settings, out_channels=CLASSES, encode_decode=encode_decode)
    return slide_inference(stub, picture[None], [{}])[0]


def ours(encode: Work, picture: torch.Tensor) -> torch.Tensor:
    return slide(picture, encode, tuple(picture.shape[1:]), CROP, STRIDE, BATCH).whole()


def our_classes(encode: Work, picture: torch.Tensor) -> torch.Tensor:
    """What a task does: classes by tile, without ever holding all logits."""
    decision = Decision(torch.arange(CLASSES, device=picture.device), CLASSES)
    return segment(slide(picture, encode, tuple(picture.shape[1:]), CROP, STRIDE, BATCH), decision)


def seconds(work: Callable[[], Any], device: torch.device) -> float:
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def compare(name: str, encode: Work, picture: torch.Tensor) -> None:
    """Print whether both agree and how long each takes, of logits and of classes."""
    a, b = theirs(encode, picture), ours(encode, picture)
    difference = float((a - b).abs().max())
    same = float((a.argmax(0) == our_classes(encode, picture)).float().mean())
    runs = {
        "theirs": lambda: theirs(encode, picture).argmax(0),
        "ours, all logits": lambda: ours(encode, picture).argmax(0),
        "ours, by tile": lambda: our_classes(encode, picture),
    }
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(TURNS):
        for what, work in runs.items():
            best[what] = min(best[what], seconds(work, picture.device))
    times = ", ".join(f"{what} {1000 * value:,.0f} ms" for what, value in best.items())
    gains = f"{best['theirs'] / best['ours, by tile']:.2f} times"
    print(f"{name}, {picture.shape[2]} x {picture.shape[1]} px: {times}; {gains}")
    print(f"  largest difference of a logit {difference:.1e}, same class on {100 * same:.4f} % of pixels", flush=True)


def peak(work: Callable[[], Any], device: torch.device) -> float:
    """Return the peak of allocated megabytes on a GPU; on a CPU of this process since its start."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        work()
        return torch.cuda.max_memory_allocated() / 1e6
    with torch.profiler.profile(profile_memory=True, record_shapes=False) as profile:
        work()
    held = most = 0
    for event in profile.profiler.kineto_results.events():  # type: ignore[union-attr]
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most / 1e6


def _looked_up(table: torch.Tensor, windows: torch.Tensor) -> torch.Tensor:
    return table.expand(len(windows), -1, -1, -1)


def memory(device: torch.device) -> None:
    """Print the peak beside the encoder: patch logits come from a table instead of a network."""
    for height, width in ((336, 500), (672, 1000)):
        picture = torch.zeros(1, height, width, device=device)
        table = torch.randn(CLASSES, 14, 14, device=device)
        encode = partial(_looked_up, table)
        found = [peak(partial(work, encode, picture), device) for work in (theirs, our_classes)]
        print(f"memory beside the encoder, {width} x {height} px: theirs {found[0]:,.0f} MB, ours {found[1]:,.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--size", type=int, nargs=2, default=(336, 504), help="height and width")
    parser.add_argument("--encoder", default="ViT-B-16", help="an open_clip ViT; random weights")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    torch.manual_seed(0)
    vision = open_clip.create_model(options.encoder).visual.eval().to(device)
    units = F.normalize(torch.randn(CLASSES, vision.output_dim, device=device), dim=-1)
    read = reader("projection", units, units, None)
    picture = torch.randn(3, *options.size, device=device)
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {options.threads} threads"
    print(f"torch {torch.__version__}, {where}, {CLASSES} classes, windows {CROP}, stride {STRIDE}")
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compare(options.encoder, lambda windows: read(dense(vision, windows, False)), picture)
        table = torch.randn(CLASSES, 14, 14, device=device)
        compare("without encoder", partial(_looked_up, table), picture)
        memory(device)


if __name__ == "__main__":
    main()
