"""Building of modules whose weights come from a file: no random numbers are drawn that the file would replace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def undrawn(wanted: bool = True) -> Iterator[None]:
    """Inside the block, new weights are zeros where they would be random; all else is initialised as usual.

    Drawing the weights of a ViT-B/32 takes longer than reading them. Constants, masks and tables are computed as ever,
    so that only tensors that a file replaces differ: the caller must load every tensor of the module's state.

    Args:
        wanted: Whether to do so; if not, nothing changes.
    """
    if not wanted:
        yield
        return
    import torch
    from torch.overrides import TorchFunctionMode

    init = torch.nn.init
    in_place = {torch.Tensor.normal_, torch.Tensor.uniform_, init.normal_, init.uniform_, init.trunc_normal_}
    in_place |= {init.kaiming_uniform_, init.kaiming_normal_, init.xavier_uniform_, init.xavier_normal_}
    new = {torch.randn, torch.rand}

    class Undrawn(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if func in in_place:
                with torch.no_grad():
                    return (args[0] if args else kwargs["tensor"]).zero_()
            if func in new:
                return torch.zeros(*args, **{name: value for name, value in kwargs.items() if name != "generator"})
            return func(*args, **kwargs)

    with Undrawn():
        yield
