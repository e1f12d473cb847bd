"""What counts as an exhausted memory, what a user is told, and that the memory is given back."""

from __future__ import annotations

import errno
import weakref

import numpy as np
import pytest
import torch
from pretend_device import pretend_device

from goldieval.core.bisection import BatchFailures, bisect_failures
from goldieval.core.containment import contained, error_line
from goldieval.core.errors import TaskError
from goldieval.core.out_of_memory import is_out_of_memory, memory_cause, release_memory
from goldieval.core.processes.failures import is_known_to_all

ON_DEVICE: list[BaseException] = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79 GiB"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`"),
    torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 17179869184 bytes."),
    RuntimeError("Invalid buffer size: 20.00 GB"),
    RuntimeError("MPS backend out of memory (MPS allocated: 18.00 GB, other allocations: 1 GB, max allowed: 18 GB)"),
]
ON_HOST: list[BaseException] = [
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("[enforce fail] data. DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
]
OTHERS: list[BaseException] = [
    ValueError("out of memory"),  # no library says it with this type
    RuntimeError("CUDNN_STATUS_NOT_SUPPORTED"),
    RuntimeError("CUBLAS_STATUS_EXECUTION_FAILED"),
    OSError(errno.ENOSPC, "No space left on device"),
    KeyError("memory"),
]


@pytest.mark.parametrize("error", ON_DEVICE + ON_HOST, ids=repr)
def test_every_library_is_understood(error: BaseException) -> None:
    line = error_line(error, "scoring")
    assert is_out_of_memory(error) and line.startswith("out of memory while scoring (") and "--batch-size" in line
    assert ("shortlist" in line) == (error in ON_DEVICE) and ("--workers" in line) == (error in ON_HOST)


@pytest.mark.parametrize("error", OTHERS, ids=repr)
def test_other_errors_are_not_taken_for_it(error: BaseException) -> None:
    assert not is_out_of_memory(error) and "out of memory while" not in error_line(error, "scoring")


def test_a_true_failure_of_the_host_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    with pytest.raises(MemoryError) as too_large:
        np.empty(2**60, dtype=np.uint8)
    assert is_out_of_memory(too_large.value)


def test_what_failed_is_freed_while_its_error_lives_on() -> None:
    seen: list[weakref.ref[torch.Tensor]] = []

    def work() -> None:
        held = torch.zeros(100, device="cuda")
        seen.append(weakref.ref(held))
        torch.zeros(10**6, device="cuda")

    with pretend_device(capacity=1000) as report:
        with pytest.raises(TaskError) as caught, contained("scoring"):
            work()
        assert memory_cause(caught.value) and seen[0]() is None
        assert report.memory.allocated == 0 and report.cache_emptied == 1
        torch.zeros(200, device="cuda")


def test_what_an_adapter_makes_of_it_is_understood() -> None:
    with pytest.raises(TaskError) as caught, contained("scoring"):
        try:
            raise ON_DEVICE[1]
        except RuntimeError as error:
            raise ValueError("the tower failed") from error
    line = str(caught.value)
    assert "out of memory while scoring (the tower failed: CUDA error: CUBLAS_STATUS_ALLOC_FAILED" in line
    assert "--batch-size" in line


def test_an_error_that_is_its_own_cause_ends() -> None:
    error = torch.OutOfMemoryError("CUDA out of memory.")
    other = ValueError("of the same circle")
    error.__cause__, other.__cause__ = other, error
    for each in (error, other):
        with pytest.raises(TaskError, match="out of memory while scoring"), contained("scoring"):
            raise each
        assert not is_known_to_all(each)


def test_a_device_that_cannot_empty_its_cache_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise torch.AcceleratorError("CUDA error: out of memory")

    with pretend_device():
        monkeypatch.setattr(torch.cuda, "empty_cache", fails)
        release_memory(MemoryError())


def test_a_batch_that_does_not_fit_is_halved_and_that_is_counted() -> None:
    def work(rows: range) -> int:
        if len(rows) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return len(rows)

    faults = BatchFailures()
    made = list(bisect_failures("abcdefgh", work, faults, "encoding it"))
    assert [count for _, count in made] == [2, 2, 2, 2] and faults.too_large == 3 and not faults.reasons
