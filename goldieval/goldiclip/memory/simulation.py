"""A training step on tensors without values: the trainer's own code runs, and what it allocates is counted."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from types import CodeType, FunctionType
from typing import Any, Literal

import torch
from torch.utils.flop_counter import flop_registry

from goldieval.goldiclip import gather
from goldieval.goldiclip.features import StepFeatures
from goldieval.goldiclip.losses import LOSSES
from goldieval.goldiclip.memory.attention import cpu_attention, cuda_attention
from goldieval.goldiclip.memory.functions import META, device_functions
from goldieval.goldiclip.memory.step import step_of
from goldieval.goldiclip.memory.storages import StorageTracker
from goldieval.goldiclip.memory.typical import typical_batch
from goldieval.goldiclip.memory.world import all_reduce_share, pretended_world, sent_bytes
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.step import TrainingStep
from goldieval.goldiclip.student import Student

Device = Literal["cuda", "cpu"]
ATTENTION = {"cuda": cuda_attention, "cpu": cpu_attention}
ALIGNMENT = {"cuda": 512, "cpu": 1}  # bytes to a multiple of which a device's allocator rounds up
FEATURES = {
    "image": "global crops",
    "image_pooled": "global crops",
    "global_crops": "further global crops",
    "local_crops": "local crops",
    "local_pooled": "local crops",
    "teacher_image": "teacher's features",
    "teacher_pooled": "teacher's features",
    "texts": "captions",
    "foils": "foils",
}


@dataclass(frozen=True)
class StepCost:
    """What a step costs one of several equal processes.

    Attributes:
        peak: Bytes at the time when most are allocated, by what they belong to, the largest first.
        flops: Floating-point operations of matrix products, convolutions and attention.
        sent: Bytes that the process sends to others.
        reads: How often the host waits for values of the device.
        caption_length: Mean number of ids of a caption.
    """

    peak: dict[str, int]
    flops: int
    sent: int
    reads: int
    caption_length: float

    @property
    def bytes(self) -> int:
        """All bytes at the peak."""
        return sum(self.peak.values())


def simulated(recipe: Recipe, processes: int = 1, device: Device = "cuda", long: bool = False) -> StepCost:
    """Simulate a step in which all objectives are active.

    Args:
        recipe: The recipe. Compilation, fused kernels and determinism are not simulated.
        processes: Number of processes that share the batch.
        device: Kind of the devices.
        long: Whether every caption fills the context.

    Raises:
        GoldievalError: The batch cannot be shared among the processes.
    """
    recipe = simple(recipe)
    batch = typical_batch(recipe, processes, long)
    first = recipe.warm_start.steps if recipe.warm_start else 0
    recorder = _Recorder(processes, ALIGNMENT[device])
    with pretended_world(processes), device_functions(ATTENTION[device]) as functions, recorder:
        step = step_of(recipe, torch.device(META), processes, recorder.belongs_to)
        gradients = _named_gradients(step.passes.student, recorder)
        recorder.restart()
        step(lambda _: batch, first, 0)
    peak, sent = recorder.at_peak, recorder.sent
    if processes > 1:  # DistributedDataParallel itself does not run here
        peak["gradients in transit (DDP)"] += gradients
        sent += round(gradients * all_reduce_share(processes))
    in_order = dict(sorted(((name, size) for name, size in peak.items() if size), key=lambda item: -item[1]))
    caption_length = float(batch.captions.host_lengths.float().mean())
    return StepCost(in_order, recorder.flops, sent, functions.reads, caption_length)


def simple(recipe: Recipe) -> Recipe:
    """Leave out what is not simulated, and weights that may not exist."""
    plain = {"compile": False, "fused": False, "static_graph": False, "deterministic": False}
    return recipe.model_copy(update={"init": "", "execution": recipe.execution.model_copy(update=plain)})


def _named_gradients(student: Student, recorder: _Recorder) -> int:
    """Let gradients be known as such once they have been added up; return the bytes of all of them."""
    for parameter in student.parameters():
        hook = partial(_rename_gradient, recorder)
        parameter.register_post_accumulate_grad_hook(hook)  # type: ignore[no-untyped-call]
    return sum(parameter.nbytes for parameter in student.parameters())


def _rename_gradient(recorder: _Recorder, parameter: torch.Tensor) -> None:
    if parameter.grad is not None:
        recorder.rename(parameter.grad, "gradients")


class _Recorder(StorageTracker):  # type: ignore[no-untyped-call]
    """Follows storages, operations and exchanges of a step."""

    def __init__(self, processes: int, alignment: int) -> None:
        super().__init__(META, self._owner, alignment)
        self.processes, self.flops, self.sent = processes, 0, 0
        self._default, self._owners = "batch", _owners()

    def restart(self) -> None:
        """Forget the peak and the operations before a step."""
        self.flops = self.sent = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        out = super().__torch_dispatch__(func, types, args, kwargs)
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.flops += count(*args, **(kwargs or {}), out_val=out)
        self.sent += sent_bytes(func, args, self.processes)
        return out

    @contextmanager
    def belongs_to(self, name: str) -> Iterator[None]:
        """Let new storages belong to something, unless the function that makes them says more."""
        before, self._default = self._default, name
        try:
            yield
        finally:
            self._default = before

    def _owner(self) -> str:
        """Find the innermost function, among those that run, that says what a tensor belongs to."""
        frame: Any = sys._getframe(2)
        while frame is not None and frame.f_code not in self._owners:
            frame = frame.f_back
        return self._owners[frame.f_code] if frame else self._default


def _owners() -> dict[CodeType, str]:
    """Return what tensors belong to that a function makes, by its code."""
    features = {name: one.func for name, one in vars(StepFeatures).items() if isinstance(one, cached_property)}
    exchanges = [one for one in vars(gather).values() if isinstance(one, FunctionType)]
    functions: list[tuple[Callable[..., Any], str]] = [(function, f"loss {name}") for name, function in LOSSES.items()]
    functions += [(function, FEATURES.get(name, name)) for name, function in features.items()]
    functions += [(one, "rows of other processes") for one in exchanges if one.__module__ == gather.__name__]
    functions += [(TrainingStep._move, "optimiser's step"), (torch.autograd.backward, "backward pass")]
    return {inspect.unwrap(function).__code__: name for function, name in functions}
