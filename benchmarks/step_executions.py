"""What each setting of a recipe's ``execution`` costs in time and brings in memory; rows of ``train_step.py``."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch
from measuring import peak_memory, processor, seconds

Step = Callable[[], float]
MIB = 1 << 20

EXECUTIONS: dict[str, dict[str, Any]] = {
    "as written": {},
    "checkpointing 0.5": {"checkpointing": 0.5},
    "checkpointing 1": {"checkpointing": 1.0},
    "micro_batches 2": {"micro_batches": 2},
    "micro_batches 4": {"micro_batches": 4},
    "both, 1 and 4": {"checkpointing": 1.0, "micro_batches": 4},
}
COMPILED: dict[str, dict[str, Any]] = {
    "compile": {"compile": True},
    "compile, checkpointing 1": {"compile": True, "checkpointing": 1.0},
}
FUSED: dict[str, dict[str, Any]] = {"AdamW not fused": {"fused": False}}  # what CUDA does without


def executions(device: torch.device, compiled: bool) -> dict[str, dict[str, Any]]:
    """Return the rows of a device.

    Args:
        device: the device; a CPU has no fused kernel by default.
        compiled: whether to compile, which takes minutes on a CPU.
    """
    return EXECUTIONS | (COMPILED if compiled else {}) | (FUSED if device.type == "cuda" else {})


def _seconds(step: Step, device: torch.device, rounds: int) -> float:
    """Return the seconds of a step: of the processor on a CPU, which other programs disturb less."""
    return processor(step) if device.type == "cpu" else statistics.median(seconds(step, device, rounds))


def compare(make: Callable[[dict[str, Any]], Step], device: torch.device, rounds: int, compiled: bool) -> None:
    """Print loss, time (of the processor on a CPU) and peak memory of a step with each setting, of the same weights and the same batch.

    Args:
        make: returns a step of a new trainer with some settings.
        device: device of the steps.
        rounds: number of steps that are timed on a GPU; a CPU's are ``measuring.PROCESSOR_ROUNDS``.
        compiled: whether to compile.
    """
    print(f"{'':26}{'loss of step 1':>16}{'s a step':>10}{'ratio':>8}{'peak MiB':>10}{'ratio':>8}")
    first: tuple[float, int] | None = None
    for title, settings in executions(device, compiled).items():
        step = make(settings)
        loss = step()
        took = _seconds(step, device, rounds)
        peak = peak_memory(step, device)
        first = first or (took, peak)
        print(
            f"{title:26}{loss:16.6f}{took:10.3f}{first[0] / took:8.2f}{peak / MIB:10.1f}{peak / first[1]:8.2f}",
            flush=True,
        )
