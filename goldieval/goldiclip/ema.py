"""The teacher: an exponential moving average of the student, updated after the optimiser's step."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def teacher_of(student: Module) -> Module:
    """Return a frozen copy."""
    teacher = copy.deepcopy(student)
    return teacher.requires_grad_(False).eval()


@torch.no_grad()
def update_teacher(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Move the teacher's parameters towards the student's: t <- m t + (1 - m) s. Buffers are copied."""
    ours = [parameter.detach() for parameter in teacher.parameters()]
    theirs = [parameter.detach() for parameter in student.parameters()]
    torch._foreach_lerp_(ours, theirs, 1 - momentum)
    for mine, other in zip(teacher.buffers(), student.buffers(), strict=True):
        mine.copy_(other)
