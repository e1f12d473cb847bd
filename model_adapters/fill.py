"""Loading of a state dict into a module, with all differences in names, shapes and values reported in one line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldieval.core.errors import GoldievalError, listing

if TYPE_CHECKING:
    import torch

SHOWN = 3


def fill(
    module: Any, state: Mapping[str, torch.Tensor], extra: list[str], file: Path, name: str, hint: str = ""
) -> None:
    """Load ``state`` into ``module``; a scalar of shape (1,) is accepted for shape () and vice versa.

    Args:
        module: The module.
        state: Tensors by name.
        extra: Names of tensors in the file that do not belong to the module.
        file: The file, for error messages.
        name: Name of the module, for error messages.
        hint: What to do instead.

    Raises:
        GoldievalError: Tensors are missing, unexpected, of another shape, not real numbers, NaN or infinite.
    """
    ours = module.state_dict()
    state = {key: _as_number(part, ours[key]) if key in ours else part for key, part in state.items()}
    if faults := differences(ours, state, extra):
        raise GoldievalError(f"{file} does not fit {name}: {'; '.join(faults)}.{hint}")
    check_numbers(state, ours, file)
    module.load_state_dict(state)


def _as_number(part: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return a scalar in the module's shape, () or (1,)."""
    return part.reshape(like.shape) if part.numel() == like.numel() == 1 else part


def differences(ours: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor], extra: list[str]) -> list[str]:
    """Return the differences in names and shapes, one line per kind."""
    missing = [key for key in ours if key not in state]
    more = [*extra, *(key for key in state if key not in ours)]
    shapes = [
        f"size mismatch for {key}: {tuple(ours[key].shape)} in the model, {tuple(part.shape)} in the file"
        for key, part in state.items()
        if key in ours and part.shape != ours[key].shape
    ]
    lines = [f"{len(missing):,} of {len(ours):,} tensors missing ({listing(missing, SHOWN)})"] if missing else []
    lines += [f"{len(more):,} more than it has ({listing(more, SHOWN)})"] if more else []
    return lines + ([f"{shapes[0]}{f', and {len(shapes) - 1:,} others' if len(shapes) > 1 else ''}"] if shapes else [])


def check_numbers(state: Mapping[str, torch.Tensor], like: Mapping[str, torch.Tensor], file: Path) -> None:
    """Refuse weights that are quantised, sparse, complex, or not finite, for example after a diverged training.

    Raises:
        GoldievalError: A tensor is not acceptable; names the first.
    """
    other = [key for key, part in state.items() if like[key].is_floating_point() and not part.is_floating_point()]
    if other:
        raise GoldievalError(
            f"{file}: {other[0]} is {state[other[0]].dtype}, not floating point. Quantised weights are not supported."
        )
    packed = [key for key, part in state.items() if part.layout != like[key].layout]
    if packed:
        raise GoldievalError(f"{file}: {packed[0]} is stored as {state[packed[0]].layout}. Save it dense: .to_dense().")
    check_finite(state, file)


def check_finite(state: Mapping[str, torch.Tensor], file: Path) -> None:
    """Raise GoldievalError if a tensor contains NaN or infinity."""
    bad = [key for key, part in state.items() if part.is_floating_point() and not _is_finite(part)]
    if bad:
        raise GoldievalError(
            f"{file}: {len(bad):,} of {len(state):,} tensors hold NaN or infinity ({listing(bad, SHOWN)}): the "
            "training diverged, or the file is damaged. Use an earlier checkpoint."
        )


def _is_finite(tensor: torch.Tensor) -> bool:
    """Return whether a tensor has no NaN and no infinity, from its extremes: a NaN is both."""
    if not tensor.numel():
        return True
    lowest, highest = tensor.float().aminmax()
    return math.isfinite(lowest) and math.isfinite(highest)
