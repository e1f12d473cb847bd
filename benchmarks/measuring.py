"""What benchmarks share: the device of an option, times with a synchronised device, processor time, matrix rates, lines."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import torch

from goldieval.core.environment import pick_device
from goldieval.core.errors import GoldievalError
from goldieval.core.precision import full_float32

MATRIX_SIDE, CPU_MATRIX_SIDE = 8192, 1024
MATRIX_ROUNDS, PROCESSOR_ROUNDS = 9, 5
LEAST_S = 1e-9  # nothing is free


def add_device_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``: the best device there is, unless one is named; one that is not there is an error of one line."""
    parser.add_argument("--device", type=_device, default="auto", help="auto, cpu, cuda, cuda:N or mps")


def _device(asked: str) -> torch.device:
    try:
        return torch.device(pick_device(asked))
    except GoldievalError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def wait(device: torch.device) -> None:
    """Wait until a device has done all work that was queued."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def seconds(work: Callable[[], object], device: torch.device, rounds: int, warm_up: int = 1) -> list[float]:
    """Return the wall time of each round of a function, in seconds.

    Args:
        work: the function.
        device: device whose queued work is waited for before and after each round.
        rounds: number of rounds that count.
        warm_up: number of rounds before that do not count: kernels are chosen and memory is allocated in them.
    """
    times = []
    for _ in range(warm_up + rounds):
        wait(device)
        start = time.perf_counter()
        work()
        wait(device)
        times.append(time.perf_counter() - start)
    return times[warm_up:]


def peak_memory(work: Callable[[], object], device: torch.device) -> int:
    """Return the bytes that a function has allocated at its peak, beyond what was allocated before.

    Args:
        work: the function.
        device: device whose memory counts; on a CPU, allocations are those that torch's profiler sees.
    """
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        wait(device)
        return torch.cuda.max_memory_allocated(device) - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    found: Any = profiler.profiler
    events = sorted(found.kineto_results.events(), key=lambda event: event.start_ns())
    return max(accumulate(event.nbytes() for event in events if event.name() == "[memory]"))


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Return the rate in FLOP/s of a large product of square matrices; without TF32 in float32.

    Of a CPU it is the rate of one of the threads in use, by processor time, which other programs disturb less.

    Args:
        device: the device.
        dtype: type of the matrices.
    """
    side = CPU_MATRIX_SIDE if device.type == "cpu" else MATRIX_SIDE
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))

    def product() -> torch.Tensor:
        return left @ right

    with full_float32():
        on_cpu = device.type == "cpu"
        spent = processor(product) if on_cpu else statistics.median(seconds(product, device, MATRIX_ROUNDS, warm_up=2))
    return 2 * side**3 / spent


def device_name(device: torch.device) -> str:
    """Return the name of a device, with the number of threads of a CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads" if device.type == "cpu" else str(device)


def processor(work: Callable[[], object], pick: Callable[[list[float]], float] = statistics.median) -> float:
    """Return the processor time of a function in seconds, after one round that does not count.

    Args:
        work: the function.
        pick: chooses among the rounds; ``min`` where times are compared that other programs must not disturb.
    """
    work()
    times = []
    for _ in range(PROCESSOR_ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return pick(times)


def line(sizes: Sequence[float], times: Sequence[float]) -> tuple[float, float]:
    """Return constant and slope of the line through times by size; through zero if the constant would be negative.

    >>> [round(value, 9) for value in line([1, 2, 3], [3, 5, 7])]
    [1.0, 2.0]
    """
    slope, constant = np.polyfit(sizes, times, 1)
    if constant <= 0:
        slope, constant = np.dot(sizes, times) / np.dot(sizes, sizes), LEAST_S
    return float(constant), max(float(slope), LEAST_S)
