"""The peak of a process's memory: that of its GPU, else its own."""

from __future__ import annotations

import sys

import torch


def peak_memory(device: torch.device) -> int:
    """Return the peak memory in bytes: that of the GPU, else of this process with all that it holds; 0 if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    if sys.platform == "win32":
        return 0
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
