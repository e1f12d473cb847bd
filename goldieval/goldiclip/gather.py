"""What the processes of a training exchange: rows with their gradients, rows piece by piece, and means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.autograd.function import once_differentiable


def gathered(rows: torch.Tensor) -> torch.Tensor:
    """Return the rows of all processes in the order of their ranks; gradients flow back to each row's process.

    Args:
        rows: Rows of this process, shape (n, ...); n is the same in all processes.

    Returns:
        Tensor of shape (processes * n, ...); ``rows`` itself where there is one process.
    """
    if not several_processes():
        return rows
    everyone: torch.Tensor = _Gathered.apply(rows)
    return everyone


class _Gathered(torch.autograd.Function):
    """``all_rows`` with ``summed_share`` as its backward pass."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor) -> torch.Tensor:
        return all_rows(rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return summed_share(gradient)


@torch.no_grad()
def all_rows(rows: torch.Tensor) -> torch.Tensor:
    """Return the rows of all processes in the order of their ranks, without gradients; see ``gathered``."""
    if not several_processes():
        return rows
    everyone = rows.new_empty(torch.distributed.get_world_size() * len(rows), *rows.shape[1:])
    torch.distributed.all_gather_into_tensor(everyone, rows.contiguous())
    return everyone


@torch.no_grad()
def summed_share(everyone: torch.Tensor) -> torch.Tensor:
    """Return the rows that belong to this process, summed over what all processes have for them.

    This is what ``all_rows`` is for values turned round for their gradients. No process holds more than one copy of all
    rows. gloo has no kernel of its own for it: there all sums are made everywhere, and the own ones are kept.

    Args:
        everyone: A value for the rows of all processes, shape (processes * n, ...).

    Returns:
        Shape (n, ...).
    """
    if not several_processes():
        return everyone
    count = len(everyone) // torch.distributed.get_world_size()
    if torch.distributed.get_backend() == "gloo":
        sums = everyone.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(sums)
        return sums[first_row(count) :][:count].clone()
    own = everyone.new_empty(count, *everyone.shape[1:])
    torch.distributed.reduce_scatter_tensor(own, everyone.contiguous())
    return own


@torch.no_grad()
def pieces_of_all(rows: torch.Tensor, most: int) -> Iterator[torch.Tensor]:
    """Yield the rows of all processes in the order of their ranks, some at a time, without gradients.

    Each process sends its rows in turn; the next piece travels while one is in use. All processes must use up the
    iterator, and take part in no other exchange while they do.

    Args:
        rows: Rows of this process, shape (n, ...); n is the same in all processes.
        most: Largest number of rows of a piece.

    Yields:
        Shape (up to ``most``, ...).
    """
    if not several_processes():
        yield from (rows[start : start + most] for start in range(0, len(rows), most))
        return
    ranks, starts = range(torch.distributed.get_world_size()), range(0, len(rows), most)
    coming = [(rank, start) for rank in ranks for start in starts]
    sent = _sent(rows, *coming[0], most)
    for following in [*coming[1:], None]:
        piece, handle = sent
        if following:
            sent = _sent(rows, *following, most)
        handle.wait()
        yield piece


def _sent(rows: torch.Tensor, rank: int, start: int, most: int) -> tuple[torch.Tensor, Any]:
    """Begin to send a piece from one rank to all; return where it arrives, and what to wait for."""
    own = rows[start : start + most]
    piece = own.contiguous() if rank == torch.distributed.get_rank() else torch.empty_like(own)
    return piece, torch.distributed.broadcast(piece, rank, async_op=True)


def first_row(count: int) -> int:
    """Return the row of this process's first image among those of all processes, each of which has ``count``."""
    return torch.distributed.get_rank() * count if several_processes() else 0


def several_processes() -> bool:
    """Return whether this process is one of a process group."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def averaged(values: torch.Tensor) -> torch.Tensor:
    """Return the mean over all processes in float32, without a gradient."""
    mean = values.detach().float().clone()
    if several_processes():
        torch.distributed.all_reduce(mean)
        mean /= torch.distributed.get_world_size()
    return mean
