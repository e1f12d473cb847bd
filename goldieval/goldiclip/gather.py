"""What the processes of a training exchange: rows with their gradients, means, and flags."""

from __future__ import annotations

import torch


def gathered(rows: torch.Tensor) -> torch.Tensor:
    """Return the rows of all processes in the order of their ranks; gradients flow back to each row's process.

    Args:
        rows: Rows of this process, shape (n, ...); n is the same in all processes.

    Returns:
        Tensor of shape (processes * n, ...); ``rows`` itself where there is one process.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return rows
    from torch.distributed.nn.functional import all_gather

    return torch.cat(all_gather(rows))  # type: ignore[no-untyped-call]


def averaged(values: torch.Tensor) -> torch.Tensor:
    """Return the mean over all processes in float32, without a gradient."""
    mean = values.detach().float().clone()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(mean)
        mean /= torch.distributed.get_world_size()
    return mean


def any_process(flag: bool, device: torch.device) -> bool:
    """Return whether ``flag`` is true in any process."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return flag
    flags = torch.tensor(int(flag), device=device)
    torch.distributed.all_reduce(flags, torch.distributed.ReduceOp.MAX)
    return bool(flags)
