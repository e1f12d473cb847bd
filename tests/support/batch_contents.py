"""What a batch shows and says, so that a test can compare it."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import torch

from goldieval.goldiclip.data.batch import Batch


def caption_ids(batch: Batch) -> list[list[list[int]]]:
    """Return the bare ids of the captions of each image, without start and end of text."""
    ids, lengths = batch.captions.ids.tolist(), batch.captions.host_lengths.tolist()
    return [[row[1 : length - 1] for row, length in zip(*own, strict=True)] for own in zip(ids, lengths, strict=True)]


def token_sets(batch: Batch) -> list[set[int]]:
    """Return the ids that are the classes of each image."""
    pairs = list(zip(batch.token_rows.tolist(), batch.token_ids.tolist(), strict=True))
    found = [{id for row, id in pairs if row == image} for image in range(len(batch))]
    assert sum(map(len, found)) == len(pairs)  # distinct
    return found


def same_content(left: Any, right: Any) -> bool:
    """Whether two batches, or parts of them, are equal to the bit."""
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and torch.equal(left, right)
    if is_dataclass(left):
        return type(left) is type(right) and all(
            same_content(getattr(left, part.name), getattr(right, part.name)) for part in fields(left) if part.compare
        )
    return bool(left == right)
