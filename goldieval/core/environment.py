"""The environment that a result was computed in: versions, machine, devices."""

from __future__ import annotations

import importlib.metadata
import os
import platform

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


def pick_device(asked: str) -> str:
    """Resolve ``auto`` to the best available device.

    Raises:
        GoldievalError: The requested device is not available on this machine or in this build of torch.
    """
    import torch

    has = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if asked == "auto":
        return next(name for name, there in has.items() if there)
    kind, _, number = asked.partition(":")
    there = has.get(kind, False) and (not number or (number.isdigit() and int(number) < _count(kind)))
    if not there:
        raise GoldievalError(f"no device {asked!r}; available: {', '.join(name for name in has if has[name])}.")
    return asked


def _count(kind: str) -> int:
    import torch

    return torch.cuda.device_count() if kind == "cuda" else 1
