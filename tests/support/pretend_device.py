"""A GPU that is not there: what a program would do on CUDA, found on a CPU.

    with pretend_device() as report:
        module.to("cuda")
        report.clear()
        module(pixels.to("cuda", non_blocking=True))
    assert not report.synchronisations, by_line(report.synchronisations)

Inside the block ``torch.device("cuda")`` works as it does with one GPU. Tensors on it say that they lie there, their
values lie on the CPU, and results have the bits of the CPU, also under ``backward``. What a CPU would let pass raises:
tensors of two devices in one operation, ``numpy()`` of a tensor on the device, more bytes than ``capacity``. What costs
time on a GPU is counted by line of source, see ``pretend_report.Report``: waiting of the host, copies, float64, sums
without a fixed order, attention and the kernels that it may choose from. Autocast has CUDA's rules.

Everything that is replaced in torch is put back at the end of the block; threads that start within it are inside it,
other processes are not. Known limits: nothing runs in parallel, so that a missing synchronisation of streams is not
found; random numbers are the CPU's; optimisers that choose ``foreach`` by type of tensor take their simple loop;
``torch.compile`` and CUDA graphs do not work; code in C++ that asks for a tensor's device is told ``meta``.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

import torch
from pretend_attention import noted_attention
from pretend_autocast import autocast_rules
from pretend_cuda import cuda_functions
from pretend_report import Memory, Report, by_line
from pretend_tensor import OnDevice, PretendTensor, State, activate, deactivate

__all__ = ["PretendTensor", "Report", "by_line", "pretend_device"]


@contextmanager
def pretend_device(capacity: int | None = None) -> Iterator[Report]:
    """Open the device; what happens on it is counted in the report that is yielded.

    Args:
        capacity: bytes that fit on the device; None without a limit.

    Raises:
        RuntimeError: the device is open already.
    """
    device = State(Report(Memory(capacity)))
    activate(device)
    try:
        with ExitStack() as stack, warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="(?s).*Overriding a previously registered kernel")
            for part in (cuda_functions(device), autocast_rules(), noted_attention(), _conversion(), _in_threads()):
                stack.enter_context(part)
            stack.enter_context(OnDevice())
            yield device.report
    finally:
        deactivate()


@contextmanager
def _conversion() -> Iterator[None]:
    """Let ``module.to`` replace parameters; by default it writes the new values into the old tensors."""
    before, lifted = torch.__future__.get_overwrite_module_params_on_conversion(), torch._C._only_lift_cpu_tensors()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(…, device="cuda") copies from the CPU, visibly
    try:
        yield
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)
        torch._C._set_only_lift_cpu_tensors(lifted)


@contextmanager
def _in_threads() -> Iterator[None]:
    """Take new threads into the device, since torch's modes are settings of a thread."""
    run = threading.Thread.run

    def run_inside(thread: threading.Thread) -> None:
        with OnDevice():
            run(thread)

    with mock.patch.object(threading.Thread, "run", run_inside):
        yield
