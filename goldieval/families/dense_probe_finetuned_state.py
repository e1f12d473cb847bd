"""The state of a training in one file, from which it continues: tensors and numbers, never pickled objects.

mmengine's own checkpoints are pickles, which may run code when they are read, and are not written atomically.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from goldieval.core.checksums import checksum
from goldieval.core.files import atomic_write

LOG = logging.getLogger("goldieval")


def trained_tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return the weights of a module that are trained, and its buffers, by name."""
    trained = {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
    return trained | dict(module.named_buffers())


def save_state(file: Path, runner: Any, losses: torch.Tensor, identity: str, *, finished: bool) -> None:
    """Write weights, state of the optimiser, learning rates and losses so far; a failure is logged.

    Args:
        file: the file, which is replaced.
        runner: the runner, after a step.
        losses: loss of each step so far, shape (steps,).
        identity: everything that determines the training.
        finished: whether this was the last step; then the optimiser is left out, which is two thirds of the file.
    """
    optimiser = runner.optim_wrapper.optimizer.state_dict()
    tensors = {f"model/{name}": tensor for name, tensor in trained_tensors(runner.model).items()}
    for number, state in ({} if finished else optimiser["state"]).items():
        tensors |= {f"optimiser/{number}/{name}": tensor for name, tensor in state.items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in (tensors | {"losses": losses}).items()}
    numbers = {
        "groups": optimiser["param_groups"],
        "schedules": [schedule.state_dict() for schedule in runner.param_schedulers],
    }
    head = json.dumps(numbers, sort_keys=True, default=_plain)
    sha256 = _checksum(identity + head, tensors)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, save(tensors, {"numbers": head, "sha256": sha256}))
    except OSError as error:
        LOG.warning("the state of this training cannot be kept in %s: %s", file, error.strerror or error)


def load_state(file: Path, runner: Any, identity: str) -> torch.Tensor | None:
    """Continue from a file; return the losses of the steps so far, or None if there is no valid file.

    A damaged file, or one of another training, is removed.

    Args:
        file: the file.
        runner: the runner, before its first step.
        identity: everything that determines the training.
    """
    found = _read(file, identity)
    if found is None:
        return None
    tensors, numbers = found
    runner.model.load_state_dict(_below("model/", tensors), strict=False)  # the other weights are not trained
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in _below("optimiser/", tensors).items():
        number, _, part = name.partition("/")
        state.setdefault(int(number), {})[part] = tensor
    runner.optim_wrapper.optimizer.load_state_dict({"state": state, "param_groups": numbers["groups"]})
    for schedule, saved in zip(runner.param_schedulers, numbers["schedules"], strict=True):
        schedule.load_state_dict(saved)
    return tensors["losses"]


def _read(file: Path, identity: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    if not file.exists():
        return None
    try:
        with safe_open(str(file), framework="pt") as stored:
            metadata = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118, it is no dictionary
        head = metadata.get("numbers", "")
        if metadata.get("sha256") == _checksum(identity + head, tensors):
            return tensors, json.loads(head)
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        LOG.debug("reading %s", file, exc_info=error)
    with suppress(OSError):
        file.unlink(missing_ok=True)
    return None


def _checksum(name: str, tensors: dict[str, torch.Tensor]) -> str:
    return checksum(name, {key: tensor.reshape(-1).view(torch.uint8).numpy() for key, tensor in tensors.items()})


def _below(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _plain(value: Any) -> Any:
    """Return a number of NumPy or torch as one of Python."""
    return value.item()
