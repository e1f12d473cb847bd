"""Batches on an accelerator whose copies overlap with computation; the host never waits for the batch in work."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from goldieval.core.containment import contained
from goldieval.core.errors import TaskError

if TYPE_CHECKING:
    import torch

B = TypeVar("B")
Result = TypeVar("Result")

STAGED_AHEAD = 2  # batches that are copied to the accelerator before their turn
RUNNING = 2  # batches whose results are on the way


def launched_ahead(
    launch: Callable[[torch.Tensor | TaskError | None], Result], batches: Iterable[B], device: torch.device
) -> Iterator[tuple[B, Result]]:
    """Yield every batch with what its launch returned, in order, one batch behind the launches.

    A second thread stacks the inputs of the next batches into pinned memory and copies them on a stream of its own.

    Args:
        launch: starts the work on the inputs of one batch, or takes the error that occurred in place of inputs; called
            in the caller's thread.
        batches: the batches, taken ``STAGED_AHEAD`` ahead.
        device: the accelerator.
    """
    staging = _Staging(device)
    staged: deque[tuple[B, Future[Any]]] = deque()
    running: deque[tuple[B, Result]] = deque()
    with ThreadPoolExecutor(1) as stager:
        for batch in batches:
            staged.append((batch, stager.submit(staging.inputs, batch)))
            if len(staged) > STAGED_AHEAD:
                running.append(_launched(launch, staging, *staged.popleft()))
            if len(running) >= RUNNING:
                yield running.popleft()
        while staged:
            running.append(_launched(launch, staging, *staged.popleft()))
            if len(running) >= RUNNING:
                yield running.popleft()
        yield from running


def _launched(launch: Callable[[Any], Result], staging: _Staging, batch: B, inputs: Future[Any]) -> tuple[B, Result]:
    return batch, launch(staging.ready(inputs.result()))


class _Staging:
    """Inputs of batches on an accelerator."""

    def __init__(self, device: torch.device) -> None:
        import torch

        self._device = device
        is_cuda = device.type == "cuda" and torch.cuda.is_available()
        self._stream = torch.cuda.Stream(device) if is_cuda else None  # type: ignore[no-untyped-call]

    def inputs(self, batch: Any) -> tuple[torch.Tensor | TaskError | None, Any]:
        """Return the inputs of a batch, and the event after which they are on the device."""
        import torch

        if not batch.keys:
            return None, None
        try:
            with contained("encoding it"):
                inputs = batch.inputs(range(len(batch.keys)))
                if self._stream is None:
                    return inputs, None
                with torch.cuda.stream(self._stream):
                    copied = inputs.pin_memory().to(self._device, non_blocking=True)
                    return copied, self._stream.record_event()
        except TaskError as error:
            return error, None

    def ready(self, staged: tuple[Any, Any]) -> torch.Tensor | TaskError | None:
        """Return staged inputs; what the current stream does from now on waits for their copy."""
        import torch

        inputs, copied = staged
        if copied is not None:
            stream = torch.cuda.current_stream(self._device)
            stream.wait_event(copied)
            inputs.record_stream(stream)
        return inputs  # type: ignore[no-any-return]
