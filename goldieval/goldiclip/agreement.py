"""What the processes of a training agree on before a step, over their hosts and not over their devices."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import torch

from goldieval.goldiclip.launch import TIMEOUT


class Agreement:
    """Exchanges what is known on the hosts, in a group of its own: no device waits, and no loss is in between.

    All processes make an agreement at the same place, and ask it the same questions in the same order.
    """

    def __init__(self, timeout: timedelta = TIMEOUT) -> None:
        """Form the group.

        Args:
            timeout: How long a process waits for the others.
        """
        several = torch.distributed.is_available() and torch.distributed.is_initialized()
        self._group: Any = torch.distributed.new_group(backend="gloo", timeout=timeout) if several else None

    def agreed(self, flags: Mapping[str, bool]) -> dict[str, bool]:
        """Return which flags are true in any process; all processes name the same ones."""
        if self._group is None:
            return dict(flags)
        raised = torch.tensor(list(flags.values()), dtype=torch.uint8)
        torch.distributed.all_reduce(raised, torch.distributed.ReduceOp.MAX, self._group)
        return dict(zip(flags, raised.bool().tolist(), strict=True))
