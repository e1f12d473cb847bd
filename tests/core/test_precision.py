"""Full precision in every state that torch's two interfaces can be in, and the same state afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from goldieval.core.precision import ALL, NEWER, OPERATIONS, full_float32

BACKENDS = (ALL, ("cuda", "all"), ("mkldnn", "all"))
SETTINGS = (*BACKENDS, *OPERATIONS)

OLDER: dict[str, Callable[[], Any]] = {
    "nothing": lambda: None,
    **{
        f"matmul {value}": lambda value=value: torch.set_float32_matmul_precision(value) for value in ("high", "medium")
    },
    "cublas": lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True),
    "cudnn off": lambda: setattr(torch.backends.cudnn, "allow_tf32", False),
}


def set_newer(setting: tuple[str, str], value: str) -> None:
    torch._C._set_fp32_precision_setter(*setting, value)


def newer(setting: tuple[str, str]) -> str:
    return torch._C._get_fp32_precision_getter(*setting)


NEWER_ACTS: dict[str, Callable[[], Any]] = {
    f"{'.'.join(setting)}={value}": lambda setting=setting, value=value: set_newer(setting, value)
    for setting in SETTINGS
    for value in ("ieee", "tf32", "none")
}
ACTS = {**OLDER, **(NEWER_ACTS if NEWER else {})}


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    reset()
    yield
    reset()


def reset() -> None:
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = True
    for setting in SETTINGS if NEWER else ():
        set_newer(setting, "tf32" if setting in (("cuda", "conv"), ("cuda", "rnn")) else "none")


def asked(function: Callable[[], Any]) -> Any:
    """What torch says, or that it refuses to, because the interfaces disagree."""
    try:
        return function()
    except RuntimeError:
        return "refused"


def observed() -> dict[str, Any]:
    """All that a program can see of the settings, also after it changes what they inherit from."""
    found = {
        "matmul": asked(torch.get_float32_matmul_precision),
        "cublas": asked(lambda: torch.backends.cuda.matmul.allow_tf32),
        "cudnn": asked(lambda: torch.backends.cudnn.allow_tf32),
    }
    for changed in BACKENDS if NEWER else ():
        before = newer(changed)
        for value in ("ieee", "tf32"):
            set_newer(changed, value)
            found[f"{changed} {value}"] = [newer(setting) for setting in SETTINGS]
        set_newer(changed, before if changed == ALL or before != newer(ALL) else "none")
    return found


@pytest.mark.parametrize("first", ACTS)
def test_full_precision_in_every_state_and_the_same_state_afterwards(first: str) -> None:
    for second in ACTS:
        states = []
        for inside in (False, True):
            reset()
            ACTS[first]()
            ACTS[second]()
            if inside:
                with full_float32():
                    assert torch.get_float32_matmul_precision() == "highest"
                    assert not torch.backends.cuda.matmul.allow_tf32 and not torch.backends.cudnn.allow_tf32
                    assert not NEWER or {newer(setting) for setting in OPERATIONS} == {"ieee"}
                    F.conv2d(torch.ones(1, 1, 2, 2) @ torch.ones(2, 2), torch.ones(1, 1, 1, 1))
            states.append(observed())
        assert states[0] == states[1], second


@pytest.mark.skipif(not NEWER, reason="torch before 2.9")
def test_a_process_that_used_the_newer_interface() -> None:
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    with full_float32():
        with full_float32():
            assert torch.backends.cuda.matmul.fp32_precision == "ieee"
        assert torch.backends.cuda.matmul.fp32_precision == "ieee"
    assert torch.backends.cuda.matmul.fp32_precision == "tf32"


def test_settings_are_put_back_after_an_error() -> None:
    torch.set_float32_matmul_precision("high")
    with pytest.raises(ValueError), full_float32():
        raise ValueError
    assert torch.get_float32_matmul_precision() == "high"
