"""Modules that a training has wrapped for several processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldieval.core.errors import GoldievalError

if TYPE_CHECKING:
    from torch import nn

REPLICATED = ("DistributedDataParallel", "DataParallel")
SHARDED = ("FullyShardedDataParallel", "FSDPModule")


def whole_module(module: nn.Module) -> nn.Module:
    """Return the module inside a wrapper that only replicates it; any other module as it is.

    Args:
        module: a module with ``encode_image`` and ``encode_text``, or its wrapper.

    Raises:
        GoldievalError: its parameters are sharded (FSDP): each call of it needs all processes at the same moment.
    """
    from torch.distributed.tensor import DTensor

    while _names(module) & set(REPLICATED):
        module = module.module  # type: ignore[assignment]
    sharded = any(_names(part) & set(SHARDED) for part in module.modules())
    if sharded or any(isinstance(parameter, DTensor) for parameter in module.parameters()):
        raise GoldievalError(
            "the parameters of this module are sharded (FSDP), and a sharded module cannot be evaluated: load "
            "get_model_state_dict(module, options=StateDictOptions(full_state_dict=True)), or what "
            "FSDP.summon_full_params shows, into a module that is not, as docs/examples/evaluate_in_fsdp.py does."
        )
    return module


def _names(module: nn.Module) -> set[str]:
    return {kind.__name__ for kind in type(module).__mro__}
