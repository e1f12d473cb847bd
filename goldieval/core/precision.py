"""Full float32 precision, whatever the surrounding process has enabled.

torch has two interfaces for the precision of float32 products: ``set_float32_matmul_precision`` with ``allow_tf32``,
and since 2.9 ``fp32_precision`` of each backend and operation; operations inherit from backends, and those from all.
The older one raises where the two disagree: it is asked after the newer one was set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

Setting = tuple[str, str]  # backend and operation

ALL: Setting = ("generic", "all")
OPERATIONS: tuple[Setting, ...] = tuple(
    (backend, operation) for backend in ("cuda", "mkldnn") for operation in ("matmul", "conv", "rnn")
)
FULL, INHERITED = "ieee", "none"
NEWER = hasattr(torch._C, "_set_fp32_precision_setter")  # whether torch has the newer interface


@contextmanager
def full_float32() -> Iterator[None]:
    """Compute matrix products and convolutions in full float32; afterwards, all settings are what they were.

    TF32 on GPUs has a mantissa of 10 bits and bfloat16 on CPUs one of 7, which would change embeddings and ranks.
    """
    own = {setting: _own_value(setting) for setting in OPERATIONS} if NEWER else {}
    _set_all(dict.fromkeys(own, FULL))
    products, convolutions = torch.get_float32_matmul_precision(), _convolutions_in_tf32()
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    _set_all(dict.fromkeys(own, FULL))  # again: the older interface lets operations inherit
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions
        _set_all(own)


def _own_value(setting: Setting) -> str:
    """Return the precision that is set for an operation or backend itself, or ``none`` if it inherits one.

    torch only says which precision applies. What inherits follows its ancestors.
    """
    applies, ancestors = _get(setting), _ancestors(setting)
    if applies == INHERITED or not ancestors:
        return applies
    before = {ancestor: _own_value(ancestor) for ancestor in ancestors}
    trial = FULL if applies != FULL else INHERITED  # never less precise than now: other threads may be computing
    _set_all(dict.fromkeys(ancestors, trial))
    follows = _get(setting) == trial
    _set_all(before)
    return INHERITED if follows else applies


def _ancestors(setting: Setting) -> list[Setting]:
    """Return what an operation or a backend inherits from."""
    backend, operation = setting
    if setting == ALL:
        return []
    return [ALL] if operation == "all" else [(backend, "all"), ALL]


def _get(setting: Setting) -> str:
    value: str = torch._C._get_fp32_precision_getter(*setting)
    return value


def _set_all(values: Mapping[Setting, str]) -> None:
    for setting, value in values.items():
        _set(setting, value)


def _set(setting: Setting, value: str) -> None:
    torch._C._set_fp32_precision_setter(*setting, value)


def _convolutions_in_tf32() -> bool:
    """Return the older setting of convolutions; torch refuses to say so while the newer one is full precision."""
    try:
        return torch.backends.cudnn.allow_tf32
    except RuntimeError:
        return True
