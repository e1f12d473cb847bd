"""Steps that are repeatable to the bit, or refused: ``execution.deterministic``.

Torch then takes kernels that add up in a fixed order, and refuses operations that have none. Flash and
memory-efficient attention have a backward pass of each kind and follow the same switch; cuDNN's is left out by it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from goldieval.core.errors import GoldievalError

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"  # read by cuBLAS when it first computes
FIXED_WORKSPACES = (":4096:8", ":16:8")
NO_FIXED_ORDER = re.compile(r"(\S+) does not have a deterministic implementation")


def fix_workspace() -> None:
    """Let cuBLAS use a workspace with which its sums have a fixed order; to be called before CUDA computes.

    Raises:
        GoldievalError: Another workspace was chosen, or CUDA has computed in this process already.
    """
    chosen = os.environ.get(WORKSPACE)
    if chosen in FIXED_WORKSPACES or not torch.cuda.is_available():
        return
    if chosen is not None:
        raise GoldievalError(
            f"execution.deterministic needs {WORKSPACE}={FIXED_WORKSPACES[0]}, and it is {chosen}. Set it, or unset it."
        )
    if torch.cuda.max_memory_allocated():
        raise GoldievalError(
            f"execution.deterministic: this process has computed on CUDA without {WORKSPACE}. "
            f"Set {WORKSPACE}={FIXED_WORKSPACES[0]} before it starts."
        )
    os.environ[WORKSPACE] = FIXED_WORKSPACES[0]


@contextmanager
def fixed_order(wanted: bool) -> Iterator[None]:
    """Compute in a fixed order within the block, and as before after it.

    Args:
        wanted: Whether to do so at all.

    Raises:
        GoldievalError: An operation has no kernel that does.
    """
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False  # which tries kernels and takes the fastest of the day
    try:
        yield
    except RuntimeError as error:
        if found := NO_FIXED_ORDER.search(str(error)):
            raise GoldievalError(
                f"execution.deterministic: {found[1]} cannot be repeated to the bit on this device. "
                "Leave execution.deterministic out, or the objective that needs it."
            ) from error
        raise
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark = benchmark
