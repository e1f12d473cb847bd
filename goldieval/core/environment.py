"""The environment that a result was computed in: versions, machine, devices."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from typing import Any

from goldieval.core.errors import GoldievalError

PACKAGES = ("goldieval", "torch", "torchvision", "open-clip-torch", "clip-benchmark", "numpy", "pillow", "scipy")


def versions() -> dict[str, str]:
    """Return the versions of all packages that can affect results, and of Python and the machine."""
    found = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def environment(device: str) -> dict[str, str]:
    """Return the versions and the processor that runs the model."""
    import torch

    counts = {"threads": str(torch.get_num_threads()), "cores": str(os.cpu_count())}
    return versions() | {"device": _device_name(device)} | counts


def _device_name(device: str) -> str:
    import torch

    try:
        return torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.processor() or "cpu"
    except Exception:  # a failed device may not report its name; the record of that failure must still be written
        return device


def device_identity(device: str) -> str:
    """Return what of a device can change the last bits of a result: ``cpu``, else its type and its name.

    Two GPUs of one name compute the same; those of two names choose other kernels.
    """
    kind = device.partition(":")[0]
    if kind == "cpu":
        return kind
    import torch

    backend: Any = torch.backends.mps if kind == "mps" else getattr(torch, kind, None)
    if hasattr(backend, "get_device_name"):
        return f"{kind} {backend.get_device_name(device)}"
    return f"{kind} {backend.get_name()}" if hasattr(backend, "get_name") else kind


def available_cores() -> int:
    """Return the number of processor cores that this process may use, which Slurm and containers limit."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pick_device(asked: str, local_rank: int = 0, local_size: int = 1) -> str:
    """Resolve ``auto`` to the best available device, and give each process of a machine a GPU of its own.

    Args:
        asked: Device of torch, or ``auto``.
        local_rank: Number of this process among those of its machine.
        local_size: Number of processes on this machine.

    Raises:
        GoldievalError: The requested device is not available on this machine or in this build of torch, or one GPU is
            requested for several processes.
    """
    import torch

    has = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    device = next(name for name, there in has.items() if there) if asked == "auto" else asked
    kind, _, number = device.partition(":")
    there = has.get(kind, False) and (not number or (number.isdigit() and int(number) < _count(kind)))
    if not there:
        raise GoldievalError(f"no device {asked!r}; available: {', '.join(name for name in has if has[name])}.")
    if kind != "cuda" or local_size == 1:
        return device
    if number and _count(kind) > 1:
        raise GoldievalError(
            f"--device {asked} would put all {local_size} processes of this machine on one GPU: use --device cuda."
        )
    return f"cuda:{local_rank % _count(kind)}"  # a launcher may show each process one GPU, which then is number 0


def _count(kind: str) -> int:
    import torch

    return torch.cuda.device_count() if kind == "cuda" else 1
