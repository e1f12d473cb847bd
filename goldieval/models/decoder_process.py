"""The processes that decode; they share no lock, no thread and no accelerator with the process that starts them.

A server loads the preprocessing, with all that it imports, and forks the workers before it has a thread. A worker ends
when its connection does, however the process that started it has ended. What travels between them was pickled by
goldieval itself; pixels are written into memory that both share.
"""

from __future__ import annotations

import mmap
import os
import pickle
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, NamedTuple

from goldieval.models.decoders import Pixels, Preprocess, prepared

if TYPE_CHECKING:
    import torch

REGION_BYTES = 64_000_000  # of shared memory for each worker, of which only what is used exists


class Shared(NamedTuple):
    """A tensor in shared memory.

    Attributes:
        offset: Its first byte.
        shape: Its shape.
        dtype: Its type, a torch.dtype.
    """

    offset: int
    shape: tuple[int, ...]
    dtype: Any


def main(arguments: Sequence[str]) -> None:
    """Fork the workers and wait for them.

    Args:
        arguments: Descriptor of the file with the pickled preprocessing, then descriptors of connection and shared
            memory of each worker, such as ``5:6``.
    """
    import torch

    with open(int(arguments[0]), "rb") as stream:
        preprocess = pickle.load(stream)
    torch.set_num_threads(1)
    for name in ("SIGINT", "SIGTERM", "SIGUSR1"):  # a batch system sends them to all processes of a job
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    pairs = [tuple(int(number) for number in argument.split(":")) for argument in arguments[1:]]
    for connection, region in pairs:
        if os.fork() == 0:
            _close(descriptor for pair in pairs for descriptor in pair if pair != (connection, region))
            _work(preprocess, Connection(connection), mmap.mmap(region, REGION_BYTES))
            os._exit(0)
    _close(descriptor for pair in pairs for descriptor in pair)
    for _ in pairs:
        os.wait()


def _close(descriptors: Any) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _work(preprocess: Preprocess, connection: Connection, region: mmap.mmap) -> None:
    """Answer lists of (key, source) with lists of results until the connection ends."""
    try:
        connection.send(True)
        while True:
            answers, used = [], 0
            for key, source in connection.recv():
                answer, used = _stored(prepared(preprocess, key, source), region, used)
                answers.append(answer)
            connection.send(answers)
    except Exception:  # the end of the connection, or something that cannot be loaded here: the parent decodes it
        os._exit(0)


def _stored(pixels: Pixels, region: mmap.mmap, used: int) -> tuple[Pixels | Shared, int]:
    """Write pixels into shared memory if they fit; return what is sent, and the number of bytes in use."""
    import torch

    if not isinstance(pixels, torch.Tensor) or pixels.layout != torch.strided or pixels.requires_grad:
        return pixels, used
    size = pixels.numel() * pixels.element_size()
    if not size or used + size > REGION_BYTES:
        return pixels, used
    tensor_at(region, Shared(used, tuple(pixels.shape), pixels.dtype)).copy_(pixels)
    return Shared(used, tuple(pixels.shape), pixels.dtype), used + (size + 63) // 64 * 64


def tensor_at(region: mmap.mmap, place: Shared) -> torch.Tensor:
    """Return the tensor at a place in shared memory, as a view."""
    import math

    import torch

    flat = torch.frombuffer(region, dtype=place.dtype, count=math.prod(place.shape), offset=place.offset)
    return flat.view(place.shape)
