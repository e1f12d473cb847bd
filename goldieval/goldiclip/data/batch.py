"""A batch: what one training step reads, made on the host and moved to the device once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from goldieval.goldiclip.data.corpus import Bad
from goldieval.goldiclip.data.images import Images
from goldieval.goldiclip.data.texts import Texts


@dataclass(frozen=True)
class Batch:
    """One process's share of a batch: b images, each with k captions and q questions.

    Attributes:
        images: The images and their crops, as bytes.
        captions: Captions, ids of shape (b, k, length).
        question: Questions, ids of shape (b, q, length).
        answer: Answers, ids of shape (b, q, length). An image with fewer than q questions is filled up with answers
            that end before they begin, which leaves nothing to predict.
        foils: Groups of a true caption and its foils, the true one first, ids of shape (b, groups, candidates, length).
        is_candidate: Which entries of ``foils`` are candidates and not filling, shape (b, groups, candidates).
        token_ids: Distinct ids of the texts whose tokens are an image's classes (see ``data.token_targets``), not
            truncated and without start and end of text, one image after another, shape (m,); empty where no objective
            classifies.
        token_rows: The image that each of ``token_ids`` belongs to, shape (m,).
        token_starts: Place in ``token_ids`` at which each image begins, and m, shape (b + 1,), on the host.
        draws: Random bytes for each pair of an image of this share and one of the whole batch, shape (b, images padded
            to a multiple of 8), uint8; no columns where no objective needs them.
        has_questions: Whether an image of this share has a question; in a step, of the whole batch.
        has_foils: Whether an image of this share has foils; in a step, of the whole batch.
        bad: What was left out.
    """

    images: Images
    captions: Texts
    question: Texts
    answer: Texts
    foils: Texts
    is_candidate: torch.Tensor
    token_ids: torch.Tensor
    token_rows: torch.Tensor
    token_starts: torch.Tensor
    draws: torch.Tensor
    has_questions: bool
    has_foils: bool
    bad: list[Bad] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.images)

    def part(self, number: int, parts: int) -> Batch:
        """Return one of the micro-batches that the batch consists of, whose sizes differ by one at most.

        ``has_questions``, ``has_foils`` and ``bad`` are those of the whole share.

        Args:
            number: Which of them, from 0.
            parts: Number of micro-batches.
        """
        return self.rows(number * len(self) // parts, (number + 1) * len(self) // parts)

    def rows(self, start: int, stop: int) -> Batch:
        """Return the part of the batch that belongs to some of its images."""
        first, last = (int(self.token_starts[place]) for place in (start, stop))
        return Batch(
            images=self.images.rows(start, stop),
            captions=self.captions.rows(start, stop),
            question=self.question.rows(start, stop),
            answer=self.answer.rows(start, stop),
            foils=self.foils.rows(start, stop),
            is_candidate=self.is_candidate[start:stop],
            token_ids=self.token_ids[first:last],
            token_rows=self.token_rows[first:last] - start,
            token_starts=self.token_starts[start : stop + 1] - first,
            draws=self.draws[start:stop],
            has_questions=self.has_questions,
            has_foils=self.has_foils,
            bad=self.bad,
        )

    def to(self, device: torch.device) -> Batch:
        """Return the batch with its tensors on a device."""
        return self.mapped(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """Return the batch with its tensors in pinned memory, from which copies to a GPU are asynchronous."""
        return self.mapped(torch.Tensor.pin_memory)

    def mapped(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        """Change the tensors that belong on the device, always in the same order."""
        return Batch(
            images=self.images.mapped(change),
            captions=self.captions.mapped(change),
            question=self.question.mapped(change),
            answer=self.answer.mapped(change),
            foils=self.foils.mapped(change),
            is_candidate=change(self.is_candidate),
            token_ids=change(self.token_ids),
            token_rows=change(self.token_rows),
            token_starts=self.token_starts,
            draws=change(self.draws),
            has_questions=self.has_questions,
            has_foils=self.has_foils,
            bad=self.bad,
        )
