"""Self-distillation from a momentum teacher, for text-agnostic and text-conditioned features alike."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from goldieval.goldiclip.objectives.contrastive import in_float32


class DinoLoss(nn.Module):
    """KL divergence from the teacher's sharpened, centred distribution over prototypes: DINO's loss less its minimum.

    Attributes:
        centre: Moving average of the teacher's mean logits, shape (prototypes,); part of the training state.
        student: Temperature of the student.
        teacher: Temperature of the teacher.
        momentum: Momentum of the centre.
    """

    centre: torch.Tensor

    def __init__(self, prototypes: int, student: float = 0.1, teacher: float = 0.05, momentum: float = 0.9) -> None:
        super().__init__()
        self.student, self.teacher, self.momentum = student, teacher, momentum
        self.register_buffer("centre", torch.zeros(prototypes))

    def targets(self, teacher_logits: torch.Tensor) -> torch.Tensor:
        """Return the teacher's distribution for logits of shape (..., prototypes)."""
        return ((teacher_logits.float() - self.centre) / self.teacher).softmax(-1)

    def forward(self, student_logits: torch.Tensor, teacher_logits: torch.Tensor) -> torch.Tensor:
        """Return the mean divergence over all leading dimensions.

        Args:
            student_logits: Shape (..., prototypes).
            teacher_logits: A shape that broadcasts to the student's.
        """
        target = self.targets(teacher_logits.detach())
        log_student = (student_logits.float() / self.student).log_softmax(-1)
        return (target * (target.clamp_min(1e-9).log() - log_student)).sum(-1).mean()

    @torch.no_grad()
    def update_centre(self, teacher_logits: torch.Tensor) -> None:
        """Move the centre towards the batch's mean; to be called after the loss, with the logits of all processes."""
        self.centre.lerp_(teacher_logits.float().flatten(0, -2).mean(0), 1 - self.momentum)


def info_nce(student: torch.Tensor, teacher: torch.Tensor, first: int = 0, scale: float = 10.0) -> torch.Tensor:
    """Contrast each student feature with the teacher's features of all images for the same caption.

    Args:
        student: Features of this process, shape (b, views, d).
        teacher: For each row's caption, features of the images of all processes, shape (b, images, d); or
            (1, images, d) where they are not conditioned on a caption.
        first: Row of this process's first image among those of all processes.
        scale: Logit scale.
    """
    with in_float32(student):
        ours, theirs = F.normalize(student.float(), dim=-1), F.normalize(teacher.detach().float(), dim=-1)
        logits = scale * ours @ theirs.transpose(1, 2)
    own = (torch.arange(len(student), device=student.device) + first)[:, None].expand(-1, student.shape[1])
    return F.cross_entropy(logits.flatten(0, 1), own.flatten())


def cosine(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Return the mean of one minus the cosine, in float32; shapes (..., d) are broadcast."""
    return (1 - F.cosine_similarity(student.float(), teacher.detach().float(), dim=-1)).mean()
