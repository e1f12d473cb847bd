"""Self-distillation from a momentum teacher, for text-agnostic and text-conditioned features alike."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from goldieval.goldiclip.gather import averaged
from goldieval.goldiclip.objectives.blocks import rows_within, summed, with_gradients
from goldieval.goldiclip.objectives.contrastive import contrast_rows
from goldieval.goldiclip.precision import in_float32, unit


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
        """Move the centre towards the mean over the batch of all processes; to be called after the loss."""
        self.centre.lerp_(averaged(teacher_logits.float().flatten(0, -2).mean(0)), 1 - self.momentum)


def dino(loss: DinoLoss, head: nn.Module, student: torch.Tensor, teacher_logits: torch.Tensor) -> torch.Tensor:
    """Return the divergence of a student's features, and move the centre afterwards; in blocks of images.

    Args:
        loss: The loss, with its centre.
        head: The student's head, which maps features to logits.
        student: Features of this process, shape (b, ..., d).
        teacher_logits: Shape (b, ..., prototypes) that broadcasts to the student's.
    """

    def of_images(start: int, student: torch.Tensor, teacher_logits: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = loss(head(student), teacher_logits)
        return found * len(student)

    views, prototypes = student[0].numel() // student.shape[-1], teacher_logits.shape[-1]
    block = rows_within(4 * 8 * views * prototypes)
    total = summed(of_images, (student, teacher_logits), parameters=tuple(head.parameters()), block=block)
    loss.update_centre(teacher_logits)
    return total / len(student)


def info_nce(student: torch.Tensor, teacher: torch.Tensor, scale: torch.Tensor, first: int = 0) -> torch.Tensor:
    """Contrast each student feature with the teacher's features of the images of all processes.

    Args:
        student: Features of this process, shape (b, views, d).
        teacher: Features of all processes, without a gradient, shape (images, d).
        scale: Logit scale.
        first: Row of this process's first image among those of all processes.
    """
    ours, theirs = unit(student), unit(teacher.detach())
    trained = torch.is_grad_enabled() and (ours.requires_grad or scale.requires_grad)
    with torch.no_grad(), in_float32(student):
        slopes = [torch.zeros_like(view) for view in ours.unbind(1)]
        total, of_scale = ours.new_zeros(()), ours.new_zeros(())
        for view, slope in zip(ours.unbind(1), slopes, strict=True):
            value, derivative = contrast_rows(view, theirs, scale, first, trained, slope)
            total, of_scale = total + value, of_scale + derivative
    if trained:
        total = with_gradients(total, (ours, scale), (scale.detach() * torch.stack(slopes, dim=1), of_scale))
    return total / ours[..., 0].numel()


@torch.no_grad()
def info_nce_floor(own: torch.Tensor, teacher: torch.Tensor, scale: torch.Tensor, first: int = 0) -> torch.Tensor:
    """Return what ``info_nce`` cannot fall below, whatever the student: images that the teacher takes for the same.

    Args:
        own: The teacher's features of this process's images, shape (b, d).
        teacher: See ``info_nce``.
        scale: Logit scale.
        first: See ``info_nce``.

    Returns:
        The mean over the images of this process.
    """
    points, theirs, total = unit(own), unit(teacher), scale.new_zeros(())
    block = rows_within(4 * 3 * len(theirs))
    with in_float32(points):
        for start in range(0, len(points), block):
            part = points[start : start + block]
            table = scale * part @ theirs.T
            losses = table.logsumexp(1) - table.diagonal(first + start)
            pulls = table.softmax(1) @ theirs - theirs[first + start :][: len(part)]
            total = total + least(losses, pulls, part, scale).sum()
    return total / len(points)


def least(losses: torch.Tensor, pulls: torch.Tensor, points: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Return a lower bound of cross-entropies over all unit vectors, given them at some.

    A cross-entropy is convex in the vector whose cosines are its logits, so nowhere is it below its tangent plane at
    a point, which is lowest at the unit vector against the gradient; and it is never negative.

    Args:
        losses: Cross-entropies, shape (...).
        pulls: Their gradients, divided by ``scale``, shape (..., d).
        points: Where they were taken, unit vectors, shape (..., d).
        scale: Logit scale.
    """
    lowest: torch.Tensor = losses - scale * (pulls.norm(dim=-1) + (pulls * points).sum(-1))
    return lowest.clamp_min(0)


def cosine(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Return the mean of one minus the cosine, in float32; shapes (..., d) are broadcast."""
    return (1 - F.cosine_similarity(student.float(), teacher.detach().float(), dim=-1)).mean()
