"""This process among those that ``torchrun`` or ``accelerate launch`` started."""

from __future__ import annotations

from datetime import timedelta

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env

TIMEOUT = timedelta(hours=6)  # the others wait while one evaluates; NCCL's default of minutes would be too short


def on_cpu() -> bool:
    """Return whether to train on the CPU; accelerate must be told, or processes there do not find each other."""
    return not torch.accelerator.is_available() or parse_flag_from_env("ACCELERATE_USE_CPU")


def is_main_process() -> bool:
    """Return whether this process is the one that writes files and prints."""
    return bool(PartialState(cpu=on_cpu(), timeout=TIMEOUT).is_main_process)


def shut_down() -> None:
    """Destroy the process group, if there is one, at a regular end.

    Otherwise a thread of gloo may still hold tensors while Python shuts down, which aborts a process that has done all
    its work (pytorch/pytorch#179291).
    """
    PartialState(cpu=on_cpu()).destroy_process_group()
