"""Self-distillation from an EMA teacher, for text-agnostic and text-conditioned features alike."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from goldieval.goldiclip.objectives.contrastive import in_float32


class DinoLoss(nn.Module):
    """Cross-entropy to the teacher's sharpened, centred prototypes, less the teacher's entropy: a KL, 0 at agreement.

    The centre is an EMA of the teacher's mean logits; it is state and travels in checkpoints.
    """

    centre: torch.Tensor

    def __init__(self, prototypes: int, student: float = 0.1, teacher: float = 0.05, momentum: float = 0.9) -> None:
        super().__init__()
        self.student, self.teacher, self.momentum = student, teacher, momentum
        self.register_buffer("centre", torch.zeros(prototypes))

    def targets(self, teacher_logits: torch.Tensor) -> torch.Tensor:
        return ((teacher_logits.float() - self.centre) / self.teacher).softmax(-1)

    def forward(self, student_logits: torch.Tensor, teacher_logits: torch.Tensor) -> torch.Tensor:
        """Mean over all leading dimensions; the logits' shapes must broadcast to (…, prototypes)."""
        target = self.targets(teacher_logits.detach())
        log_student = (student_logits.float() / self.student).log_softmax(-1)
        return (target * (target.clamp_min(1e-9).log() - log_student)).sum(-1).mean()

    @torch.no_grad()
    def update_centre(self, teacher_logits: torch.Tensor) -> None:
        """Move the centre towards the mean of this batch; call it after the loss, with the logits of all processes."""
        self.centre.lerp_(teacher_logits.float().flatten(0, -2).mean(0), 1 - self.momentum)


def info_nce(student: torch.Tensor, teacher: torch.Tensor, first: int = 0, scale: float = 10.0) -> torch.Tensor:
    """Contrast each student feature with all images' teacher features for the same caption.

    Args:
        student: (b, views, d).   teacher: (b, images, d), for row b's caption from every image of all processes, of
            which those from ``first`` are ours; (1, images, d) where no caption conditions them.
    """
    with in_float32(student):
        ours, theirs = F.normalize(student.float(), dim=-1), F.normalize(teacher.detach().float(), dim=-1)
        logits = scale * ours @ theirs.transpose(1, 2)
    own = (torch.arange(len(student), device=student.device) + first)[:, None].expand(-1, student.shape[1])
    return F.cross_entropy(logits.flatten(0, 1), own.flatten())


def cosine(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """One minus the cosine in float32, shapes broadcast over leading dimensions."""
    return (1 - F.cosine_similarity(student.float(), teacher.detach().float(), dim=-1)).mean()
