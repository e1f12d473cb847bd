"""A batch: what one training step reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from goldieval.goldiclip.data.corpus import Bad, Ids


@dataclass
class Batch:
    """One process's share of a batch: b images, each with k captions and q questions.

    Framed token ids begin with start-of-text, end with end-of-text and are padded with zeros; bare ids are neither
    framed nor truncated.

    Attributes:
        pixels: The global crop that the student sees, shape (b, 3, side, side).
        whole: The same images uncropped, for the teacher, shape (b, 3, side, side).
        local_crops: Local crops, shape (b, crops, 3, local side, local side).
        other_crops: Further global crops, shape (b, crops, 3, side, side).
        captions: Framed ids of the captions, shape (b, k, length).
        caption_ids: Bare ids of the captions, k for each image.
        token_targets: Bare ids of the texts whose tokens are an image's classes, see ``data.token_targets``.
        question: Framed ids of the questions, shape (b, q, length).
        answer: Framed ids of the answers, shape (b, q, length). An image with fewer than q questions is filled up with
            answers that end before they begin, which leaves nothing to predict.
        foils: Framed ids of groups of a true caption and its foils, the true one first, shape (b, groups, candidates,
            length).
        is_candidate: Which entries of ``foils`` are candidates and not filling, shape (b, groups, candidates).
        has_questions: Whether an image of this share has a question.
        bad: What was left out.
    """

    pixels: torch.Tensor
    whole: torch.Tensor
    local_crops: torch.Tensor
    other_crops: torch.Tensor
    captions: torch.Tensor
    caption_ids: list[list[Ids]]
    token_targets: list[list[Ids]]
    question: torch.Tensor
    answer: torch.Tensor
    foils: torch.Tensor
    is_candidate: torch.Tensor
    has_questions: bool = True
    bad: list[Bad] = field(default_factory=list)

    def to(self, device: torch.device) -> Batch:
        """Return the batch with its tensors on a device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """Return the batch with its tensors in pinned memory, from which copies to a GPU are asynchronous."""
        return self._map(torch.Tensor.pin_memory)

    def _map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        changed = {name: change(value) for name, value in vars(self).items() if isinstance(value, torch.Tensor)}
        return Batch(**{**vars(self), **changed})
