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
import warnings
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from measuring import add_device_option, device_name, matrix_rate, seconds
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from goldieval.families.mmseg_parts import quiet_import
from goldieval.scoring.patches import reader
from goldieval.scoring.segments import Decision, segment
from goldieval.scoring.windows import slide, starts
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


def compare(name: str, encode: Work, picture: torch.Tensor, flop: float, rate: float) -> None:
    """Print whether both agree and how long each takes, of logits and of classes.

    Args:
        name: name of the encoder.
        encode: encodes windows.
        picture: the picture.
        flop: operations of the encoder for the whole picture; 0 without an encoder.
        rate: matrix rate of the device in float32, FLOP/s.
    """
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
            best[what] = min(best[what], *seconds(work, picture.device, rounds=1))
    times = ", ".join(f"{what} {1000 * value:,.0f} ms" for what, value in best.items())
    gains = f"{best['theirs'] / best['ours, by tile']:.2f} times"
    shares = {side: flop / best[side] / rate for side in ("theirs", "ours, by tile")}
    of_rate = (
        "; of the matrix rate " + ", ".join(f"{side} {share:.2f}" for side, share in shares.items()) if flop else ""
    )
    print(f"{name}, {picture.shape[2]} x {picture.shape[1]} px: {times}; {gains}{of_rate}")
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


def encoder_flop(name: str) -> int:
    """Return the operations of an image tower of open_clip for one window, counted from its layers."""
    with torch.device("meta"):
        vision = open_clip.create_model(name, device="meta").visual.eval()
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):  # fused attention is not counted
        vision(torch.empty(1, 3, CROP, CROP, device="meta"))
    return int(counter.get_total_flops())


def windows_of(picture: torch.Tensor) -> int:
    rows, columns = (len(starts(length, CROP, STRIDE)) for length in picture.shape[1:])
    return rows * columns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_device_option(parser)
    parser.add_argument("--size", type=int, nargs=2, default=(336, 504), help="height and width")
    parser.add_argument("--encoder", default="ViT-B-16", help="an open_clip ViT; random weights")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = options.device
    torch.manual_seed(0)
    vision = open_clip.create_model(options.encoder).visual.eval().to(device)
    units = F.normalize(torch.randn(CLASSES, vision.output_dim, device=device), dim=-1)
    read = reader("projection", units, units, None)
    picture = torch.randn(3, *options.size, device=device)
    rate = matrix_rate(device, torch.float32) * (options.threads if device.type == "cpu" else 1)
    print(f"torch {torch.__version__}, {device_name(device)}, {CLASSES} classes, windows {CROP}, stride {STRIDE}, "
          f"matrix rate {rate / 1e12:.2f} TFLOP/s in float32")  # fmt: skip
    flop = encoder_flop(options.encoder) * windows_of(picture)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compare(options.encoder, lambda windows: read(dense(vision, windows, False)), picture, flop, rate)
        table = torch.randn(CLASSES, 14, 14, device=device)
        compare("without encoder", partial(_looked_up, table), picture, 0.0, rate)
        memory(device)


if __name__ == "__main__":
    main()
