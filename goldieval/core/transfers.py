"""Copies between host and accelerator for which the host does not wait; on a CPU nothing is copied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

Key = TypeVar("Key")


def upload(values: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """Return values of the host on a device, to which they are copied behind the work that is queued there."""
    import torch

    device = torch.device(device)
    if device.type != "cuda" or values.device.type != "cpu" or not torch.cuda.is_available():
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


def uploaded_ahead(
    items: Iterable[tuple[Key, torch.Tensor]], device: torch.device
) -> Iterator[tuple[Key, torch.Tensor]]:
    """Yield every key with its values on a device; the next values are copied there while these are in use.

    Args:
        items: keys and values of the host; values that are on the device already are yielded as they are.
        device: the device, which holds two of the values at a time.
    """
    import torch

    if device.type != "cuda" or not torch.cuda.is_available():
        yield from ((key, values.to(device)) for key, values in items)
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    staged: tuple[Key, torch.Tensor, Any] | None = None
    for key, values in items:
        with torch.cuda.stream(stream):
            following = key, upload(values, device), stream.record_event()
        if staged is not None:
            yield _arrived(*staged)
        staged = following
    if staged is not None:
        yield _arrived(*staged)


def _arrived(key: Key, values: torch.Tensor, copied: Any) -> tuple[Key, torch.Tensor]:
    """Return values that the current stream uses only after they have been copied."""
    import torch

    stream = torch.cuda.current_stream(values.device)
    stream.wait_event(copied)
    values.record_stream(stream)
    return key, values


@dataclass(frozen=True)
class Download:
    """Values on their way to the host.

    Attributes:
        values: the values; to be read only after ``arrived``.
        arrived: event of CUDA after which the values have been copied; None if they have.
    """

    values: torch.Tensor
    arrived: Any = None

    def tensor(self) -> torch.Tensor:
        """Return the values; wait until they have been copied."""
        if self.arrived is not None:
            self.arrived.synchronize()
        return self.values

    def kept(self) -> torch.Tensor:
        """Return values that may be kept for long: outside of pinned memory, of which there should be little."""
        return self.tensor() if self.arrived is None else self.tensor().clone()

    def array(self) -> np.ndarray:
        """Return the values; wait until they have been copied."""
        array: np.ndarray = self.tensor().numpy()
        return array


def download(values: torch.Tensor) -> Download:
    """Start the copy of values to the host: from CUDA into pinned memory, behind the work that makes them."""
    import torch

    if values.device.type != "cuda" or not torch.cuda.is_available():
        return Download(values.cpu())
    copied = values.to("cpu", non_blocking=True)
    arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
    arrived.record(torch.cuda.current_stream(values.device))
    return Download(copied, arrived)
