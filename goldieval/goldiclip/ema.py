"""The teacher: an exponential moving average of the student, updated after the optimiser's step."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def teacher_of(student: Module) -> Module:
    """Return a frozen copy of the student, in evaluation mode."""
    teacher = copy.deepcopy(student)
    return teacher.requires_grad_(False).eval()


@torch.no_grad()
def update_teacher(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Move the teacher's parameters towards the student's; buffers are copied.

    Args:
        teacher: Parameters t become ``momentum * t + (1 - momentum) * s``.
        student: Parameters s.
        momentum: Between 0 (the teacher is the student) and 1 (it does not move).
    """
    teacher_parameters = [parameter.detach() for parameter in teacher.parameters()]
    student_parameters = [parameter.detach() for parameter in student.parameters()]
    torch._foreach_lerp_(teacher_parameters, student_parameters, 1 - momentum)
    for ours, theirs in zip(teacher.buffers(), student.buffers(), strict=True):
        ours.copy_(theirs)
