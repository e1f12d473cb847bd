"""This process among those that ``torchrun`` or ``accelerate launch`` started."""

from __future__ import annotations

from datetime import timedelta

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env

PATIENCE = timedelta(hours=6)  # the others wait this long for the one that evaluates; NCCL would give up after minutes


def on_cpu() -> bool:
    """Whether training is on the CPU; accelerate must be told, else processes there do not know of each other."""
    return not torch.accelerator.is_available() or parse_flag_from_env("ACCELERATE_USE_CPU")


def is_main_process() -> bool:
    """Whether this process writes and speaks for all."""
    return bool(PartialState(cpu=on_cpu(), timeout=PATIENCE).is_main_process)


def leave() -> None:
    """Take leave of the other processes, at an orderly end; nothing happens where there are none.

    Otherwise a thread of gloo may still hold tensors while Python ends, which aborts a process that has done all its
    work (pytorch/pytorch#179291).
    """
    PartialState(cpu=on_cpu()).destroy_process_group()
