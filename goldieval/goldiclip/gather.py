"""What all processes have together: rows, with gradients that flow back to the process that made them; means; flags."""

from __future__ import annotations

import torch


def gathered(rows: torch.Tensor) -> torch.Tensor:
    """Return (world * n, …) in the order of ranks; the rows themselves where there is one process."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return rows
    from torch.distributed.nn.functional import all_gather

    return torch.cat(all_gather(rows))  # type: ignore[no-untyped-call]


def averaged(here: torch.Tensor) -> torch.Tensor:
    """Return the mean over all processes in float32, without a gradient."""
    mean = here.detach().float().clone()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(mean)
        mean /= torch.distributed.get_world_size()
    return mean


def anywhere(here: bool, device: torch.device) -> bool:
    """Whether it is so in any process."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return here
    flag = torch.tensor(int(here), device=device)
    torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
    return bool(flag)
